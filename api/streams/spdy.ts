// The server's end of a SPDY/3.1 session: client-opened streams as Duplexes, with flow control and bounded memory.
// Upstream counterpart: moby/spdystream, which kubectl carries. That client keeps no windows: it neither sends WINDOW_UPDATE nor heeds
// ours. So a peer's windows bind us from its first WINDOW_UPDATE or initial-window SETTINGS on, and until then the transport's own
// back-pressure does; what a peer sends beyond our windows waits in its stream until a bound for the session, and then in its socket.
import type { Duplex } from "node:stream";
import { assertNever } from "../../model/errors.ts";
import {
  dataHeader,
  goAway,
  ping,
  rstStream,
  SETTING_INITIAL_WINDOW,
  SPDY_RESET,
  SpdyDecoder,
  type SpdyFrame,
  SpdyProtocolError,
  synReply,
  windowUpdate,
} from "./spdy-frames.ts";
import { SpdyHeaderReader, SpdyHeaderWriter } from "./spdy-headers.ts";
import { SpdyStream } from "./spdy-stream.ts";

const DEFAULT_WINDOW_BYTES = 64 * 1024;
const MAX_WINDOW_BYTES = 0x7fffffff;
const MAX_STREAMS = 4096;
const MAX_FRAME_BYTES = 32 * 1024;
/** Bytes received and not yet read by anyone, over all streams, above which the transport is not read. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;

/** One session over `transport`, which it owns. Each stream that the client opens goes to `onStream`, which replies or refuses. */
export class SpdySession {
  /** Resolves when the transport is gone; every stream is destroyed by then. Never rejects. */
  readonly closed: Promise<void>;
  readonly #transport: Duplex;
  readonly #onStream: (stream: SpdyStream) => void;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #headerWriter = new SpdyHeaderWriter();
  #lastStream = 0;
  #unreadBytes = 0;
  #wakeReader: (() => void) | undefined;
  #peerKeepsWindows = false;
  #initialWindow = DEFAULT_WINDOW_BYTES;
  #sessionWindow = DEFAULT_WINDOW_BYTES;
  #unacknowledgedBytes = 0;
  #goingAway = false;

  /** `head` are bytes already read from the transport. */
  constructor(transport: Duplex, head: Buffer, onStream: (stream: SpdyStream) => void) {
    this.#transport = transport;
    this.#onStream = onStream;
    transport.on("error", () => undefined);
    transport.once("close", () => this.#destroyStreams());
    this.closed = this.#run(head);
  }

  /** Orderly end: no new streams; the transport ends when the streams at hand have. */
  close(): void {
    if (!this.#goingAway) this.#write(goAway(this.#lastStream, 0));
    this.#goingAway = true;
    this.#endWhenIdle();
  }

  /** Cuts the transport at once. */
  destroy(): void {
    this.#transport.destroy();
  }

  async #run(head: Buffer): Promise<void> {
    const headerReader = new SpdyHeaderReader();
    const decoder = new SpdyDecoder();
    /** False after a protocol error, which the peer has been told of. */
    const receive = async (chunk: Buffer): Promise<boolean> => {
      try {
        for (const frame of decoder.push(chunk)) await this.#handle(frame, headerReader);
      } catch (error) {
        if (!(error instanceof SpdyProtocolError)) throw error;
        await this.#sayProtocolError();
        return false;
      }
      while (this.#unreadBytes > MAX_UNREAD_BYTES && !this.#transport.destroyed) {
        await new Promise<void>((resolve) => (this.#wakeReader = resolve));
      }
      return true;
    };
    try {
      if (head.length > 0 && !(await receive(head))) return;
      for await (const chunk of this.#transport) {
        if (!(await receive(chunk))) return;
      }
    } catch {
      // The transport broke, and with it the session.
    } finally {
      headerReader.close();
      this.#transport.destroy();
      this.#destroyStreams();
    }
  }

  async #handle(frame: SpdyFrame, headerReader: SpdyHeaderReader): Promise<void> {
    switch (frame.type) {
      case "DATA":
        return this.#handleData(frame.stream, frame.bytes, frame.fin);
      case "SYN_STREAM":
        return this.#open(frame.stream, frame.fin, await inflate(headerReader, frame.block));
      case "SYN_REPLY":
      case "HEADERS":
        await inflate(headerReader, frame.block);
        if (frame.fin) this.#streams.get(frame.stream)?.receiveFin();
        return;
      case "RST_STREAM":
        return this.#streams.get(frame.stream)?.receiveReset();
      case "SETTINGS":
        return this.#applyInitialWindow(frame.values.get(SETTING_INITIAL_WINDOW));
      case "PING":
        if (frame.id % 2 === 1) this.#write(ping(frame.id));
        return;
      case "GOAWAY":
        this.#goingAway = true;
        return this.#endWhenIdle();
      case "WINDOW_UPDATE":
        return this.#widen(frame.stream, frame.delta);
      default:
        return assertNever(frame);
    }
  }

  #open(id: number, fin: boolean, headers: ReadonlyMap<string, string>): void {
    if (id === 0 || id % 2 === 0 || this.#streams.has(id)) return this.#write(rstStream(id, SPDY_RESET.protocolError));
    if (this.#goingAway || this.#streams.size >= MAX_STREAMS) return this.#write(rstStream(id, SPDY_RESET.refusedStream));
    this.#lastStream = Math.max(this.#lastStream, id);
    const stream = new SpdyStream(id, headers, this.#initialWindow, {
      reply: () => this.#write(synReply(id, this.#headerWriter.block(new Map()))),
      reset: (status) => this.#write(rstStream(id, status)),
      send: (bytes, fin, done) => this.#send(id, bytes, fin, done),
      room: () => (this.#peerKeepsWindows ? Math.min(this.#sessionWindow, stream.window, MAX_FRAME_BYTES) : MAX_FRAME_BYTES),
      unread: (deltaBytes) => this.#countUnread(deltaBytes),
      acknowledge: (bytes) => this.#write(windowUpdate(id, bytes)),
      gone: () => {
        this.#streams.delete(id);
        this.#endWhenIdle();
      },
    });
    this.#streams.set(id, stream);
    this.#onStream(stream);
    if (fin) stream.receiveFin();
  }

  #handleData(id: number, bytes: Buffer, fin: boolean): void {
    const stream = this.#streams.get(id);
    if (!stream) {
      if (id > this.#lastStream) this.#write(rstStream(id, SPDY_RESET.invalidStream));
      this.#countUnread(bytes.length);
      this.#countUnread(-bytes.length);
      return;
    }
    stream.receiveData(bytes);
    if (fin) stream.receiveFin();
  }

  /** Read bytes are acknowledged to the session's window as well as to the stream's. */
  #countUnread(deltaBytes: number): void {
    this.#unreadBytes += deltaBytes;
    if (deltaBytes < 0) this.#unacknowledgedBytes -= deltaBytes;
    if (this.#unacknowledgedBytes >= DEFAULT_WINDOW_BYTES / 2) {
      this.#write(windowUpdate(0, this.#unacknowledgedBytes));
      this.#unacknowledgedBytes = 0;
    }
    if (this.#unreadBytes <= MAX_UNREAD_BYTES) this.#wakeReader?.();
  }

  #send(id: number, bytes: Buffer, fin: boolean, done: () => void): void {
    this.#sessionWindow -= bytes.length;
    this.#transport.cork();
    this.#write(dataHeader(id, bytes.length, fin), bytes.length === 0 ? done : undefined);
    if (bytes.length > 0) this.#write(bytes, done);
    this.#transport.uncork();
  }

  #widen(id: number, delta: number): void {
    this.#peerKeepsWindows = true;
    if (id === 0) {
      this.#sessionWindow += delta;
      if (this.#sessionWindow > MAX_WINDOW_BYTES) throw new SpdyProtocolError("session window overflows");
      for (const stream of this.#streams.values()) stream.flush();
      return;
    }
    const stream = this.#streams.get(id);
    if (!stream) return;
    stream.window += delta;
    if (stream.window > MAX_WINDOW_BYTES) stream.refuse(SPDY_RESET.flowControlError);
    else stream.flush();
  }

  #applyInitialWindow(bytes: number | undefined): void {
    if (bytes === undefined) return;
    if (bytes > MAX_WINDOW_BYTES) throw new SpdyProtocolError("initial window overflows");
    this.#peerKeepsWindows = true;
    for (const stream of this.#streams.values()) stream.window += bytes - this.#initialWindow;
    this.#initialWindow = bytes;
    for (const stream of this.#streams.values()) stream.flush();
  }

  #write(bytes: Buffer, done?: () => void): void {
    if (this.#transport.writable) this.#transport.write(bytes, () => done?.());
    else done?.();
  }

  #sayProtocolError(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#transport.writable) return resolve();
      this.#transport.once("close", resolve);
      this.#transport.end(goAway(this.#lastStream, 1), () => resolve());
    });
  }

  #endWhenIdle(): void {
    if (this.#goingAway && this.#streams.size === 0 && this.#transport.writable) this.#transport.end();
  }

  #destroyStreams(): void {
    for (const stream of this.#streams.values()) stream.receiveReset();
    this.#wakeReader?.();
  }
}

async function inflate(reader: SpdyHeaderReader, block: Buffer): Promise<ReadonlyMap<string, string>> {
  try {
    return await reader.inflate(block);
  } catch (error) {
    throw new SpdyProtocolError(error instanceof Error ? error.message : String(error));
  }
}
