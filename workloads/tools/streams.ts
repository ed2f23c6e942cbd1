// Reading and writing of a tool's streams: chunks, lines, whole input, with back-pressure, and stopping when told to.
// Readers never take more than they use from a stream that others read on (the shell's stdin), and never destroy it.
import { Readable, Writable } from "node:stream";
import { terminationOf, throwIfTerminated, type ToolIo } from "./tool.ts";

/**
 * The next chunk of a stream, or undefined at its end. Only the first `take(chunk)` bytes are used, the rest stays in the stream.
 * Rejects with Terminated when the signal aborts, or with the stream's error.
 */
export async function readChunk(stream: Readable, signal: AbortSignal, take?: (chunk: Buffer) => number): Promise<Buffer | undefined> {
  for (;;) {
    throwIfTerminated(signal);
    const read: unknown = stream.read();
    if (read !== null) {
      const chunk = Buffer.isBuffer(read) ? read : Buffer.from(String(read));
      const used = take ? take(chunk) : chunk.length;
      if (used < chunk.length) stream.unshift(chunk.subarray(used));
      return chunk.subarray(0, used);
    }
    if (stream.errored) throw stream.errored;
    if (stream.readableEnded || stream.destroyed) return undefined;
    await readable(stream, signal);
  }
}

function readable(stream: Readable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      for (const name of ["readable", "end", "close"]) stream.off(name, onEvent);
      stream.off("error", settle);
      signal.removeEventListener("abort", onAbort);
      if (error) reject(error);
      else resolve();
    };
    const onEvent = (): void => settle();
    const onAbort = (): void => settle(terminationOf(signal));
    for (const name of ["readable", "end", "close"]) stream.on(name, onEvent);
    stream.on("error", settle);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** All chunks of a stream; an absent stream is empty. */
export async function* chunks(stream: Readable | undefined, signal: AbortSignal): AsyncGenerator<Buffer> {
  for (;;) {
    const chunk = stream && (await readChunk(stream, signal));
    if (!chunk) return;
    yield chunk;
  }
}

/** The next line without its newline, or undefined at the end; what follows the newline stays in the stream. */
export async function readLine(
  stream: Readable | undefined,
  signal: AbortSignal,
): Promise<{ text: string; complete: boolean } | undefined> {
  const parts: Buffer[] = [];
  const throughNewline = (chunk: Buffer): number => chunk.indexOf(10) + 1 || chunk.length;
  for (;;) {
    const chunk = stream && (await readChunk(stream, signal, throughNewline));
    if (!chunk) return parts.length > 0 ? { text: Buffer.concat(parts).toString(), complete: false } : undefined;
    parts.push(chunk);
    if (chunk.at(-1) === 10) return { text: Buffer.concat(parts).toString().slice(0, -1), complete: true };
  }
}

/** Lines of a stream, without their newlines. */
export async function* lines(stream: Readable | undefined, signal: AbortSignal): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks(stream, signal)) {
    const data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let start = 0;
    for (let newline = data.indexOf(10); newline >= 0; newline = data.indexOf(10, start)) {
      yield data.toString("utf8", start, newline);
      start = newline + 1;
    }
    rest = data.subarray(start);
  }
  if (rest.length > 0) yield rest.toString();
}

/** Everything up to the end. */
export async function readAll(stream: Readable | undefined, signal: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks(stream, signal)) parts.push(chunk);
  return Buffer.concat(parts);
}

/** Writes and waits while the reader is behind. */
export async function write(io: ToolIo, data: string | Uint8Array, stream: Writable = io.stdout): Promise<void> {
  throwIfTerminated(io.signal);
  if (stream.destroyed || stream.write(data)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      for (const name of ["drain", "close", "error"]) stream.off(name, done);
      io.signal.removeEventListener("abort", done);
      resolve();
    };
    for (const name of ["drain", "close", "error"]) stream.on(name, done);
    io.signal.addEventListener("abort", done, { once: true });
  });
  throwIfTerminated(io.signal);
}

/** A stream of this text. */
export function textStream(text: string | Buffer): Readable {
  const data = Buffer.from(text);
  return Readable.from(data.length > 0 ? [data] : [], { objectMode: false });
}

/** A Writable that gives each chunk to `sink`. */
export function sinkStream(sink: (chunk: Buffer) => void): Writable {
  return new Writable({
    decodeStrings: true,
    write(chunk: Buffer, _encoding, callback) {
      sink(chunk);
      callback();
    },
  });
}
