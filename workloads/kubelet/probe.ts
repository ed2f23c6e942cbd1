// One try of a probe: HTTP, TCP, gRPC or exec, as the node, within its timeout.
// Upstream: pkg/probe/{http,tcp,grpc,exec}, pkg/kubelet/prober/prober.go.
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { sleep } from "../../model/clock.ts";
import type { Container, GRPCAction, HTTPGetAction, Probe } from "../../model/kinds/core-v1.ts";
import { grpcProbe } from "./grpc-probe.ts";
import type { ProbeResult, ProbeTarget } from "./probe-target.ts";

const OK: ProbeResult = { success: true, output: "" };
const MAX_REDIRECTS = 10;
const MAX_BODY = 10 * 1024;

/** A named containerPort's number, or the number itself; undefined when there is no such port. */
export function portNumber(port: number | string, container: Container): number | undefined {
  const number = Number(port);
  if (Number.isInteger(number) && number > 0 && number < 65536) return number;
  return container.ports?.find((candidate) => candidate.name === port)?.containerPort;
}

export async function runProbe(probe: Probe, target: ProbeTarget): Promise<ProbeResult> {
  const abort = new AbortController();
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  const expired = sleep(target.clock, timeoutMs, abort.signal).then(
    () => true,
    () => false,
  );
  const url = probe.httpGet ? urlOf(probe.httpGet, target) : "";
  let connected = false;
  const attempt = tryProbe(probe, target, url, abort.signal, () => (connected = true)).catch((error: unknown) =>
    failure(probe, target, url, error),
  );
  const first = await Promise.race([attempt, expired]);
  abort.abort(new Error("probe ended"));
  if (typeof first !== "boolean") return first;
  if (probe.httpGet)
    return { success: false, output: `Get "${url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)` };
  if (probe.tcpSocket) return { success: false, output: `dial tcp ${tcpAddress(probe, target)}: i/o timeout` };
  if (probe.grpc) return { success: false, output: grpcTimeout(probe.grpc, target, probe.timeoutSeconds ?? 1, connected) };
  return {
    success: false,
    output: `command timed out: "${(probe.exec?.command ?? []).join(" ")}" timed out after ${probe.timeoutSeconds ?? 1}s`,
  };
}

function grpcTimeout({ port }: GRPCAction, { podIP }: ProbeTarget, seconds: number, connected: boolean): string {
  if (connected) return `timeout: health rpc did not complete within ${seconds}s`;
  return `timeout: failed to connect service "${podIP}:${port}" within ${seconds}s: context deadline exceeded`;
}

async function tryProbe(
  probe: Probe,
  target: ProbeTarget,
  url: string,
  signal: AbortSignal,
  onConnected: () => void,
): Promise<ProbeResult> {
  if (probe.grpc) return grpcProbe(probe.grpc, target, signal, onConnected);
  if (probe.exec) {
    const { exitCode, output } = await target.exec(probe.exec.command ?? [], signal);
    return exitCode === 0 ? OK : { success: false, output };
  }
  if (probe.httpGet) return httpProbe(url, probe.httpGet, target, signal);
  const [ip, port] = splitAddress(tcpAddress(probe, target));
  const connection = await target.network.dial(target.from, { ip, port }, { signal, purpose: "probe" });
  connection.destroy();
  return OK;
}

function tcpAddress(probe: Probe, target: ProbeTarget): string {
  return `${probe.tcpSocket?.host || target.podIP}:${portNumber(probe.tcpSocket?.port ?? 0, target.container) ?? 0}`;
}

function splitAddress(address: string): readonly [ip: string, port: number] {
  const colon = address.lastIndexOf(":");
  return [address.slice(0, colon), Number(address.slice(colon + 1))];
}

function urlOf(get: HTTPGetAction, target: ProbeTarget): string {
  const scheme = (get.scheme ?? "HTTP").toLowerCase();
  const path = (get.path ?? "/").replace(/^(?!\/)/, "/");
  return `${scheme}://${get.host || target.podIP}:${portNumber(get.port, target.container) ?? 0}${path}`;
}

async function httpProbe(url: string, get: HTTPGetAction, target: ProbeTarget, signal: AbortSignal): Promise<ProbeResult> {
  let at = new URL(url);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const response = await httpGet(at, get, target, signal);
    const status = response.statusCode ?? 0;
    const { location } = response.headers;
    if (status >= 300 && status < 400 && location !== undefined) {
      const next = new URL(location, at);
      // A redirect to another host proves that this one answers.
      if (next.hostname !== at.hostname) return OK;
      at = next;
      continue;
    }
    return status >= 200 && status < 400 ? OK : { success: false, output: `HTTP probe failed with statuscode: ${status}` };
  }
  return { success: false, output: `Get "${url}": stopped after ${MAX_REDIRECTS} redirects` };
}

/** One GET over the fabric; resolves with the response once its head (and at most 10 KiB of body) has arrived. */
export async function httpGet(url: URL, get: HTTPGetAction, target: ProbeTarget, signal: AbortSignal): Promise<IncomingMessage> {
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
  const connection: Duplex = await target.network.dial(target.from, { ip: url.hostname, port }, { signal, purpose: "probe" });
  const named = (get.httpHeaders ?? []).map(({ name, value }): readonly [string, string] => [name, value]);
  const headers = { Host: url.host, "User-Agent": "kube-probe/1.33", Accept: "*/*", Connection: "close", ...Object.fromEntries(named) };
  try {
    return await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { method: "GET", path: `${url.pathname}${url.search}`, headers, signal };
      const onResponse = (response: IncomingMessage): void => {
        let size = 0;
        response.on("error", () => {});
        response.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_BODY) connection.destroy();
        });
        resolve(response);
      };
      const request =
        url.protocol === "https:"
          ? httpsRequest({ ...options, ...tlsOver(connection) }, onResponse)
          : httpRequest({ ...options, createConnection: () => connection }, onResponse);
      request.on("error", reject);
      request.end();
    });
  } finally {
    // The head is all that counts; what follows may be read or cut off.
    connection.on("error", () => {});
  }
}

/** TLS over a given stream, without verification, as kubelet probes. */
function tlsOver(socket: Duplex): object {
  return { socket, agent: false, rejectUnauthorized: false };
}

function failure(probe: Probe, target: ProbeTarget, url: string, error: unknown): ProbeResult {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : String(error);
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: "connect: connection refused",
    EHOSTUNREACH: "connect: no route to host",
    ENETUNREACH: "connect: network is unreachable",
    ETIMEDOUT: "i/o timeout",
  };
  if (probe.exec) return { success: false, output: message };
  if (probe.grpc) return { success: false, output: `error: health rpc probe failed: ${message}` };
  const address = probe.httpGet ? new URL(url).host : tcpAddress(probe, target);
  const reason = reasons[code];
  const text = reason === undefined ? (code === "ECONNRESET" ? "EOF" : message) : `dial tcp ${address}: ${reason}`;
  return { success: false, output: probe.httpGet ? `Get "${url}": ${text}` : text };
}
