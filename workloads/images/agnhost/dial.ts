// How agnhost asks others: an HTTP GET or a datagram, five seconds at most; and running a command for its output.
import { findProgram } from "../../tools/run-tool.ts";
import { exchange, ExchangeError } from "../../tools/http-exchange.ts";
import { readAll, sinkStream } from "../../tools/streams.ts";
import { errnoOf, errnoText, isLookupError, type ToolIo } from "../../tools/tool.ts";

export type DialResult = { readonly response: string } | { readonly error: string };

const TIMEOUT_MS = 5000;

function bracketed(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The body of GET http://host:port/path, or the error as Go words it. */
export async function dialHttp(host: string, port: number, path: string, io: ToolIo): Promise<DialResult> {
  const written = `http://${bracketed(host, port)}${path}`;
  const url = URL.parse(written);
  if (!url) return { error: `parse "${written}": invalid URL` };
  const limit = new AbortController();
  const timer = io.context.clock.after(TIMEOUT_MS, () => limit.abort(new Error("timeout")));
  try {
    const answer = await exchange(
      {
        url,
        method: "GET",
        headers: [
          ["Host", url.host],
          ["User-Agent", "Go-http-client/1.1"],
        ],
        verify: false,
        signal: limit.signal,
      },
      io,
    );
    try {
      return { response: (await readAll(answer.message, AbortSignal.any([io.signal, limit.signal]))).toString() };
    } finally {
      answer.close();
    }
  } catch (error) {
    if (io.signal.aborted) throw error;
    return { error: `Get "${written}": ${reason(error, host, port, limit.signal.aborted)}` };
  } finally {
    timer.cancel();
  }
}

function reason(error: unknown, host: string, port: number, timedOut: boolean): string {
  if (timedOut) return `dial tcp ${bracketed(host, port)}: i/o timeout`;
  const cause = error instanceof ExchangeError ? error.cause : error;
  const step = error instanceof ExchangeError ? error.step : "receive";
  if (step === "lookup" || isLookupError(cause)) return `dial tcp: lookup ${host}: no such host`;
  if (step === "connect") return `dial tcp ${bracketed(host, port)}: connect: ${errnoText(errnoOf(cause)).toLowerCase()}`;
  return cause instanceof Error && cause.message === "socket hang up" ? "EOF" : `read tcp: ${errnoText(errnoOf(cause)).toLowerCase()}`;
}

/** The first datagram that answers, or the error. */
export async function dialUdp(host: string, port: number, request: string, io: ToolIo): Promise<DialResult> {
  let ip: string;
  try {
    ip = (await io.context.lookup(host))[0] ?? host;
  } catch {
    return { error: `lookup ${host}: no such host` };
  }
  const done = Promise.withResolvers<DialResult>();
  const socket = io.context.openDatagram((message) => done.resolve({ response: Buffer.from(message).toString("utf8", 0, 2048) }));
  socket.onError = (error) =>
    done.resolve({
      error: `read udp ${socket.local.ip}:${socket.local.port}->${bracketed(ip, port)}: read: ${errnoText(errnoOf(error)).toLowerCase()}`,
    });
  const timer = io.context.clock.after(TIMEOUT_MS, () =>
    done.resolve({ error: `read udp ${socket.local.ip}:${socket.local.port}->${bracketed(ip, port)}: i/o timeout` }),
  );
  try {
    socket.send(Buffer.from(request), { ip, port });
    return await done.promise;
  } finally {
    timer.cancel();
    socket.close();
  }
}

/** Runs a program and collects what it prints, both streams together. */
export async function collectOutput(argv: readonly string[], io: ToolIo): Promise<{ readonly output: string; readonly code: number }> {
  const parts: Buffer[] = [];
  const sink = sinkStream((chunk) => void parts.push(chunk));
  const program = findProgram(io.programs, argv[0] ?? "");
  const code = program ? await program(argv, { ...io, stdin: undefined, stdout: sink, stderr: sink, tty: false }) : 127;
  return { output: Buffer.concat(parts).toString(), code };
}
