// WebSocket messages that carry several byte streams: the first byte of each message names its channel.
// Upstream: apimachinery pkg/util/httpstream/wsstream (v1, v4 and their base64 forms), KEP-4006 (v5, with half-close on channel 255).
import type { IncomingMessage } from "node:http";
import { type Clock, realClock } from "../../model/clock.ts";
import { type Duplex, Readable, Writable } from "node:stream";
import { type RawData, WebSocket, WebSocketServer } from "ws";

/** Subprotocols of exec and attach, best first. The client that names none speaks v1. */
export const CHANNEL_PROTOCOLS = [
  "v5.channel.k8s.io",
  "v4.channel.k8s.io",
  "v4.base64.channel.k8s.io",
  "channel.k8s.io",
  "base64.channel.k8s.io",
] as const;

const CLOSE_CHANNEL = 255;
/**
 * kubectl begins to read before it has made the streams of its channels, and throws away what comes meanwhile. A kubelet is never that
 * fast. A message of the client, or this time, shows that they are there.
 */
const CLIENT_READY_MS = 20;
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

const server = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: MAX_MESSAGE_BYTES,
  handleProtocols: (_offered, request) => chosenProtocols.get(request) ?? false,
});
const chosenProtocols = new WeakMap<IncomingMessage, string>();

/**
 * Answers the handshake with `protocol` ("" answers with none). A malformed handshake is answered with 400 and leaves the promise
 * pending until the socket closes, when it rejects.
 */
export function acceptWebSocket(request: IncomingMessage, socket: Duplex, head: Buffer, protocol: string): Promise<WebSocket> {
  if (protocol !== "") chosenProtocols.set(request, protocol);
  return new Promise((resolve, reject) => {
    socket.once("close", () => reject(new Error("the WebSocket handshake failed")));
    server.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on("error", () => undefined);
      resolve(webSocket);
    });
  });
}

/**
 * As acceptWebSocket, for a protocol whose name is no HTTP token (`SPDY/3.1+portforward.k8s.io`): ws refuses such an offer, so it
 * does not see it, and the answer's header is written beside it.
 */
export function acceptWebSocketUnchecked(request: IncomingMessage, socket: Duplex, head: Buffer, protocol: string): Promise<WebSocket> {
  delete request.headers["sec-websocket-protocol"];
  const writeProtocol = (headers: string[], answered: IncomingMessage): void => {
    if (answered === request) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
  };
  server.on("headers", writeProtocol);
  const accepted = acceptWebSocket(request, socket, head, "");
  server.off("headers", writeProtocol);
  return accepted;
}

/** The channels of one connection. Reading and writing obey the pace of the other side. */
export class WebSocketChannels {
  /** Aborts when the connection is gone. */
  readonly signal: AbortSignal;
  readonly #webSocket: WebSocket;
  readonly #base64: boolean;
  readonly #readers = new Map<number, Readable>();
  readonly #full = new Set<number>();
  #ready = false;
  readonly #whenReady: Promise<void>;

  constructor(webSocket: WebSocket, clock: Clock = realClock) {
    this.#webSocket = webSocket;
    this.#base64 = webSocket.protocol.includes("base64");
    const ready = Promise.withResolvers<void>();
    this.#whenReady = ready.promise.then(() => void (this.#ready = true));
    clock.after(CLIENT_READY_MS, ready.resolve);
    webSocket.once("message", () => ready.resolve());
    const gone = new AbortController();
    this.signal = gone.signal;
    webSocket.on("message", (data, isBinary) => this.#receive(toBuffer(data), isBinary));
    webSocket.on("close", () => {
      gone.abort(new Error("the client has gone"));
      for (const reader of this.#readers.values()) reader.destroy();
    });
  }

  /** What the client sends on a channel; ends on the client's half-close. */
  reader(channel: number): Readable {
    const reader = new Readable({
      read: () => {
        if (this.#full.delete(channel) && this.#full.size === 0) this.#webSocket.resume();
      },
    });
    reader.on("error", () => undefined);
    reader.once("close", () => {
      this.#readers.delete(channel);
      if (this.#full.delete(channel) && this.#full.size === 0) this.#webSocket.resume();
    });
    this.#readers.set(channel, reader);
    return reader;
  }

  /** What goes to the client on a channel. */
  writer(channel: number): Writable {
    const writer = new Writable({
      write: (chunk: Buffer, _encoding, done) => this.#send(channel, chunk, done),
      writev: (chunks, done) => this.#send(channel, Buffer.concat(chunks.map(({ chunk }) => Buffer.from(chunk))), done),
    });
    writer.on("error", () => undefined);
    return writer;
  }

  /** Closing handshake with code 1000; resolves when the connection is gone. */
  async close(): Promise<void> {
    await this.#whenReady;
    return new Promise((resolve) => {
      if (this.#webSocket.readyState === WebSocket.CLOSED) return resolve();
      this.#webSocket.once("close", () => resolve());
      this.#webSocket.close(1000);
      this.#webSocket.resume();
    });
  }

  #send(channel: number, bytes: Buffer, done: () => void): void {
    if (!this.#ready) return void this.#whenReady.then(() => this.#send(channel, bytes, done));
    if (this.#webSocket.readyState !== WebSocket.OPEN) return done();
    if (this.#base64) this.#webSocket.send(`${channel}${bytes.toString("base64")}`, () => done());
    else this.#webSocket.send(Buffer.concat([Buffer.of(channel), bytes]), () => done());
  }

  #receive(message: Buffer, isBinary: boolean): void {
    if (message.length === 0) return;
    const base64 = this.#base64 && !isBinary;
    const channel = base64 ? Number(message.toString("latin1", 0, 1)) : message.readUInt8(0);
    const bytes = base64 ? Buffer.from(message.toString("latin1", 1), "base64") : message.subarray(1);
    if (channel === CLOSE_CHANNEL && this.#webSocket.protocol.startsWith("v5.")) {
      const closed = this.#readers.get(bytes[0] ?? CLOSE_CHANNEL);
      if (closed && !closed.readableEnded) closed.push(null);
      this.#readers.delete(bytes[0] ?? CLOSE_CHANNEL);
      return;
    }
    const reader = this.#readers.get(channel);
    if (!reader || bytes.length === 0) return;
    if (reader.push(bytes)) return;
    this.#full.add(channel);
    this.#webSocket.pause();
  }
}

function toBuffer(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}
