// nc: connect over TCP or UDP, -z scans, -l listens, -v -w -u -n -N -q. Messages are OpenBSD netcat's, which agnhost and Debian carry.
import type { Duplex } from "node:stream";
import { createTcpServer } from "../../netsim/tcp-server.ts";
import { ipFamily } from "../../model/ip.ts";
import type { SocketAddress } from "../../model/ports.ts";
import { parseGetopt } from "./flags.ts";
import { chunks, write } from "./streams.ts";
import { aborted, errnoOf, errnoText, fail, isLookupError, throwIfTerminated, type ToolIo } from "./tool.ts";
import { toolWithUsage } from "./usage.ts";

const SERVICES: Readonly<Record<number, string>> = { 22: "ssh", 53: "domain", 80: "http", 443: "https", 6379: "redis", 8080: "http-alt" };

export const nc = toolWithUsage("nc", "[-lnuvzN] [-w SEC] [-p PORT] [HOST] PORT[-PORT]", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "lnuvzNkw:p:q:i:46s:t");
  const udp = flags.has("u");
  const waitMs = flags.has("w") ? Number(flags.get("w")) * 1000 : undefined;
  if (waitMs !== undefined && Number.isNaN(waitMs)) return fail(io, `nc: timeout invalid: ${flags.get("w") ?? ""}`);
  if (flags.has("l")) return listen(Number(flags.get("p") ?? flags.rest.at(-1) ?? 0), udp, flags.has("k"), flags.has("v"), io);
  const [host, portText] = flags.rest;
  if (host === undefined || portText === undefined)
    return fail(io, "usage: nc [-lnuvzN] [-w timeout] [-p source_port] [destination] [port]");
  const range = /^(\d+)(?:-(\d+))?$/.exec(portText);
  const from = Number(range?.[1]);
  const to = Number(range?.[2] ?? range?.[1]);
  if (!range || from < 1 || to > 65535) return fail(io, `nc: port number ${range ? "out of range" : "invalid"}: ${portText}`);
  let ips: readonly string[];
  try {
    if (flags.has("n") && !ipFamily(host)) throw Object.assign(new Error("not an address"), { code: "ENOTFOUND" });
    ips = await io.context.lookup(host);
  } catch (error) {
    if (!isLookupError(error)) throw error;
    return fail(io, `nc: getaddrinfo for host "${host}" port ${portText}: Name or service not known`);
  }
  const [ip = host] = ips;
  let status = 1;
  for (let port = from; port <= to; port++) {
    throwIfTerminated(io.signal);
    const named = `${host === ip ? host : `${host} (${ip})`} ${port} port [${udp ? "udp" : "tcp"}/${SERVICES[port] ?? "*"}]`;
    if (udp) {
      const answered = await talkUdp(
        { ip, port },
        flags.has("z"),
        waitMs,
        io,
        () => flags.has("v") && io.stderr.write(`Connection to ${named} succeeded!\n`),
      );
      status = answered ? 0 : status;
      continue;
    }
    let socket: Duplex;
    try {
      socket = await io.context.dial(ip, port, { signal: io.signal, ...(waitMs === undefined ? {} : { timeoutMs: waitMs }) });
    } catch (error) {
      throwIfTerminated(io.signal);
      const text = errnoOf(error) === "ETIMEDOUT" && waitMs !== undefined ? "Operation timed out" : errnoText(errnoOf(error));
      if (flags.has("v"))
        io.stderr.write(
          `nc: connect to ${host === ip ? host : `${host} (${ip})`} port ${port} (tcp) ${errnoOf(error) === "ETIMEDOUT" ? "timed out: Operation now in progress" : `failed: ${text}`}\n`,
        );
      continue;
    }
    if (flags.has("v")) io.stderr.write(`Connection to ${named} succeeded!\n`);
    status = 0;
    if (flags.has("z")) socket.destroy();
    else status = await talkTcp(socket, io, waitMs);
  }
  return status;
});

/** Both directions until the peer closes, or nothing came for `waitMs` after our own end. */
async function talkTcp(socket: Duplex, io: ToolIo, waitMs: number | undefined): Promise<number> {
  const stop = new AbortController();
  const signal = AbortSignal.any([io.signal, stop.signal]);
  let failed = false;
  let timer: { cancel(): void } | undefined;
  const idle = (): void => {
    timer?.cancel();
    if (waitMs !== undefined) timer = io.context.clock.after(waitMs, () => socket.destroy());
  };
  socket.on("error", () => (failed = true));
  const onAbort = (): void => void socket.destroy();
  io.signal.addEventListener("abort", onAbort, { once: true });
  const upload = (async () => {
    for await (const chunk of chunks(io.stdin, signal)) {
      socket.write(chunk);
      idle();
    }
    socket.end();
    idle();
  })().catch(() => {});
  try {
    for await (const chunk of socket) {
      idle();
      await write(io, Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk)));
    }
  } catch (error) {
    if (errnoOf(error) !== "ERR_STREAM_PREMATURE_CLOSE") failed = true;
  } finally {
    timer?.cancel();
    stop.abort();
    io.signal.removeEventListener("abort", onAbort);
    socket.destroy();
    await upload;
  }
  throwIfTerminated(io.signal);
  return Number(failed);
}

/** Sends standard input and prints answers; a probe waits a second for a refusal. */
async function talkUdp(to: SocketAddress, probe: boolean, waitMs: number | undefined, io: ToolIo, onOpen: () => void): Promise<boolean> {
  let refused = false;
  const over = Promise.withResolvers<void>();
  let timer: { cancel(): void } | undefined;
  const idle = (ms: number | undefined): void => {
    timer?.cancel();
    if (ms !== undefined) timer = io.context.clock.after(ms, () => over.resolve());
  };
  const socket = io.context.openDatagram((message) => {
    io.stdout.write(Buffer.from(message));
    idle(waitMs);
  });
  socket.onError = () => {
    refused = true;
    over.resolve();
  };
  const stop = new AbortController();
  const signal = AbortSignal.any([io.signal, stop.signal]);
  const onAbort = (): void => over.resolve();
  io.signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (probe) {
      socket.send(Buffer.from("X"), to);
      idle(Math.min(1000, waitMs ?? 1000));
    } else {
      onOpen();
      void (async () => {
        for await (const chunk of chunks(io.stdin, signal)) {
          socket.send(chunk, to);
          idle(waitMs);
        }
        if (io.stdin === undefined) over.resolve();
        else idle(waitMs);
      })().catch(() => {});
    }
    await over.promise;
    throwIfTerminated(io.signal);
    if (probe && !refused) onOpen();
    return !refused;
  } finally {
    timer?.cancel();
    stop.abort();
    io.signal.removeEventListener("abort", onAbort);
    socket.close();
  }
}

async function listen(port: number, udp: boolean, keep: boolean, verbose: boolean, io: ToolIo): Promise<number> {
  if (!Number.isInteger(port) || port < 1 || port > 65535) return fail(io, `nc: port number invalid: ${port}`);
  const done = Promise.withResolvers<number>();
  const onAbort = (): void => done.resolve(0);
  io.signal.addEventListener("abort", onAbort, { once: true });
  const told = verbose ? `Listening on 0.0.0.0 ${port}\n` : "";
  try {
    const registration = udp
      ? await io.context.listenUdp(port, (message) => void io.stdout.write(Buffer.from(message)))
      : await io.context.listen(
          port,
          createTcpServer((socket) => {
            if (verbose) io.stderr.write("Connection received\n");
            void talkTcp(socket, keep ? { ...io, stdin: undefined } : io, undefined).then(
              (code) => keep || done.resolve(code),
              () => done.resolve(0),
            );
          }),
        );
    io.stderr.write(told);
    try {
      const code = await Promise.race([done.promise, aborted(io.signal).then(() => 0)]);
      throwIfTerminated(io.signal);
      return code;
    } finally {
      await registration.close();
    }
  } catch (error) {
    throwIfTerminated(io.signal);
    return fail(io, `nc: ${errnoText(errnoOf(error))}`);
  } finally {
    io.signal.removeEventListener("abort", onAbort);
  }
}
