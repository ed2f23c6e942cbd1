// The byte streams of one exec or attach session, however they travel, and the status that ends it.
// Upstream: kubelet pkg/cri/streaming/remotecommand (httpstream.go, websocket.go).
import { type Duplex, type Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { IncomingMessage } from "node:http";
import { badRequest, type Status } from "../../model/errors.ts";
import { flagParameter } from "./query.ts";
import { SpdySession } from "./spdy.ts";
import type { SpdyStream } from "./spdy-stream.ts";
import { type TerminalSize, terminalSizes } from "./terminal-sizes.ts";
import { acceptSpdyUpgrade, headerValues, negotiate } from "./upgrade.ts";
import { acceptWebSocket, CHANNEL_PROTOCOLS, WebSocketChannels } from "./websocket-channels.ts";

/** Which streams the client wants. */
export interface WantedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** How a session ended; the exit code travels as a cause of the failure. */
export type CommandStatus = Omit<Status, "kind" | "apiVersion" | "reason"> & { readonly reason?: string };

export interface CommandChannels {
  /** Absent when the client did not ask for it. */
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  readonly resize: AsyncIterable<TerminalSize>;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  /** Sends what is still to be sent, then the status, and ends the connection. */
  finish(status: CommandStatus): Promise<void>;
}

const SPDY_PROTOCOLS = ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/** Reads `stdin`, `stdout`, `stderr` and `tty`; a terminal has no separate stderr. Throws 400 when none is wanted. */
export function wantedStreams(url: URL): WantedStreams {
  const tty = flagParameter(url, "tty");
  const wanted = {
    stdin: flagParameter(url, "stdin"),
    stdout: flagParameter(url, "stdout"),
    stderr: flagParameter(url, "stderr") && !tty,
    tty,
  };
  if (!wanted.stdin && !wanted.stdout && !wanted.stderr) throw badRequest("you must specify at least 1 of stdin, stdout, stderr");
  return wanted;
}

/** Accepts a WebSocket. Throws 403 Forbidden before the upgrade when no protocol fits. */
export async function webSocketCommandChannels(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  wanted: WantedStreams,
): Promise<CommandChannels> {
  const protocol = negotiate(headerValues(request, "sec-websocket-protocol"), CHANNEL_PROTOCOLS, "");
  const channels = new WebSocketChannels(await acceptWebSocket(request, socket, head, protocol));
  const stdin = wanted.stdin ? channels.reader(CHANNEL.stdin) : undefined;
  const stdout = wanted.stdout ? channels.writer(CHANNEL.stdout) : undefined;
  const stderr = wanted.stderr ? channels.writer(CHANNEL.stderr) : undefined;
  const error = channels.writer(CHANNEL.error);
  (stdout ?? stderr ?? error).write(Buffer.alloc(0));
  return {
    ...(stdin ? { stdin } : {}),
    ...(stdout ? { stdout } : {}),
    ...(stderr ? { stderr } : {}),
    resize: terminalSizes(wanted.tty ? channels.reader(CHANNEL.resize) : undefined),
    signal: channels.signal,
    async finish(status) {
      stdin?.destroy();
      await Promise.all([flushed(stdout), flushed(stderr)]);
      const text = statusText(status, protocol);
      if (text !== "") error.write(text);
      await flushed(error);
      await channels.close();
    },
  };
}

/** Accepts a SPDY session and waits for the client to open its streams. Throws 403 before the upgrade when no protocol fits. */
export async function spdyCommandChannels(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  wanted: WantedStreams,
): Promise<CommandChannels> {
  const protocol = negotiate(headerValues(request, "x-stream-protocol-version"), SPDY_PROTOCOLS, "channel.k8s.io");
  acceptSpdyUpgrade(socket, protocol);
  const expected = new Set(["error"]);
  for (const name of ["stdin", "stdout", "stderr"] as const) if (wanted[name]) expected.add(name);
  if (wanted.tty && !["v2.channel.k8s.io", "channel.k8s.io"].includes(protocol)) expected.add("resize");

  const opened = new Map<string, SpdyStream>();
  const allOpened = Promise.withResolvers<void>();
  const session = new SpdySession(socket, head, (stream) => {
    const name = stream.headers.get("streamtype") ?? "";
    if (!expected.has(name) || opened.has(name)) return stream.refuse();
    stream.reply();
    opened.set(name, stream);
    if (opened.size === expected.size) allOpened.resolve();
  });
  const gone = new AbortController();
  void session.closed.then(() => {
    gone.abort(new Error("the client has gone"));
    allOpened.reject(new Error("the client has gone"));
  });
  await allOpened.promise;

  const [stdin, stdout, stderr, error] = [opened.get("stdin"), opened.get("stdout"), opened.get("stderr"), opened.get("error")];
  for (const outgoing of [stdout, stderr, error]) outgoing?.resume();
  return {
    ...(stdin ? { stdin } : {}),
    ...(stdout ? { stdout } : {}),
    ...(stderr ? { stderr } : {}),
    resize: terminalSizes(opened.get("resize")),
    signal: gone.signal,
    async finish(status) {
      await Promise.all([flushed(stdout), flushed(stderr)]);
      const text = statusText(status, protocol);
      if (text !== "") error?.write(text);
      await flushed(error);
      // The client closes the connection when it has read everything; closing first could cut off what it has not.
      for (const incoming of [stdin, opened.get("resize")]) incoming?.end().resume();
      await session.closed;
    },
  };
}

/** A stream that goes nowhere, for output that the client did not ask for. */
export function discard(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

/** Resolves when all that was written has been sent, or the client is gone. */
async function flushed(stream: Writable | undefined): Promise<void> {
  if (!stream || stream.destroyed || stream.writableFinished) return;
  if (!stream.writableEnded) stream.end();
  await finished(stream, { readable: false }).catch(() => undefined);
}

/** Protocol versions up to v3 know only the message of a failure. */
function statusText(status: CommandStatus, protocol: string): string {
  if (/^v[45]\./.test(protocol)) return JSON.stringify(status);
  return status.status === "Success" ? "" : (status.message ?? "");
}
