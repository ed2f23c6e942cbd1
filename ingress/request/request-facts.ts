// A request as it arrived, turned into facts; what is malformed beyond the parser's care is refused here.
// Upstream: ngx_http_realip_module, the template's maps, ngx_http_process_request_headers.
import type { IncomingMessage } from "node:http";
import { type Answer, page } from "./answer.ts";
import type { ControllerConfig, ControllerFlags } from "../config.ts";
import type { ClientCertificate, RequestFacts } from "./exchange.ts";
import { hostName } from "./match.ts";
import type { ProxiedConnection } from "../proxy-protocol.ts";
import { realIp } from "./real-ip.ts";
import { parseTarget } from "./request-path.ts";
import { fieldsTooLarge, headBuffers, headTooLarge } from "./head-limits.ts";

export interface Arrival {
  readonly scheme: "http" | "https";
  readonly serverPort: number;
  readonly peerIp: string;
  readonly peerPort: number;
  /** As a PROXY header told it, the client's or the passthrough listener's; null: it named none. */
  readonly proxied?: ProxiedConnection | null | undefined;
  readonly sni?: string | undefined;
  readonly certificate?: ClientCertificate | undefined;
  readonly tls?: RequestFacts["tls"] | undefined;
}

/** What of a request is looked at before its body. */
export type RequestHead = Pick<IncomingMessage, "method" | "url" | "headers" | "rawHeaders" | "httpVersion" | "httpVersionMajor">;

/** Facts, or the answer to a request that nginx would not route. */
export function requestFacts(
  request: RequestHead,
  arrival: Arrival,
  config: ControllerConfig,
  flags: ControllerFlags,
): RequestFacts | Answer {
  const { headers } = request;
  const authority = headers[":authority"];
  const hostHeader = headers.host ?? (typeof authority === "string" ? authority : undefined);
  const version = request.httpVersion;
  const target = request.url ?? "/";
  const http2 = "stream" in request;
  if (!http2 && version !== "1.1" && version !== "1.0") return wrongVersion(request.httpVersionMajor, version);
  const lines = measure(request.rawHeaders);
  const buffers = headBuffers(config);
  if (http2) {
    const ended = fieldsTooLarge(request.rawHeaders, buffers);
    if (ended) return ended;
    if (headers.host !== undefined && authority !== undefined) return page(400, "both :authority and Host");
  } else {
    // `METHOD target HTTP/1.1\r\n`
    const requestLine = (request.method?.length ?? 0) + target.length + 12;
    // What one buffer holds need not be looked at line by line.
    if (requestLine + lines.total > buffers.size) {
      const refused = headTooLarge({ requestLine, ...lines }, request.rawHeaders, buffers);
      if (refused) return refused;
    }
  }
  if (hostHeader === undefined && version !== "1.0") return page(400, "no Host header");
  if (hostHeader !== undefined && !validHost(hostHeader)) return page(400, `malformed Host header ${JSON.stringify(hostHeader)}`);
  if (headers["transfer-encoding"] !== undefined) {
    // Two framings of one body, or one that only HTTP/1.1 has: what a proxy and a pod may read differently.
    if (version !== "1.1") return page(400, `Transfer-Encoding in HTTP/${version}`);
    if (headers["transfer-encoding"].toLowerCase() !== "chunked")
      return page(501, `unknown Transfer-Encoding ${headers["transfer-encoding"]}`);
    if (headers["content-length"] !== undefined) return page(400, "both Content-Length and Transfer-Encoding");
  }
  if (lines.hosts > 1) return page(400, "more than one Host header");
  const parsed = parseTarget(target);
  if (!parsed) return page(400, `malformed request target ${JSON.stringify(target)}`);
  if (request.method === "TRACE" || request.method === "CONNECT") return page(405, `${request.method} is not allowed`);
  const length = headers["content-length"];
  const { sni, certificate, tls, proxied } = arrival;
  return {
    method: request.method ?? "GET",
    scheme: arrival.scheme,
    target,
    parsed,
    httpVersion: version,
    hostHeader,
    host: hostName(parsed.authority ?? hostHeader),
    headers,
    peerIp: arrival.peerIp,
    peerPort: arrival.peerPort,
    clientIp: realIp(headers, arrival, config),
    ...(proxied === undefined ? {} : { proxied }),
    serverPort: portOf(arrival, flags),
    ...(sni === undefined ? {} : { sni }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(tls === undefined ? {} : { tls }),
    contentLength: length === undefined ? undefined : Number(length),
  };
}

/** $server_port: what the flags say, but for TLS behind ssl-passthrough. */
const portOf = ({ scheme, serverPort }: Arrival, { httpPort, httpsPort, enableSslPassthrough }: ControllerFlags): number =>
  scheme === "http" ? httpPort : enableSslPassthrough ? serverPort : httpsPort;

/** The protocol that a request over HTTP/1.1 asks for in place of its own. */
export const upgradeOf = ({ headers }: Pick<RequestHead, "headers">): string | undefined =>
  /(?:^|,)\s*upgrade\s*(?:,|$)/i.test(headers.connection ?? "") ? headers.upgrade : undefined;

export const isAnswer = (value: RequestFacts | Answer): value is Answer => "status" in value;

/** How many Host lines there are, and the bytes of the longest line and of all, with their ends. */
function measure(rawHeaders: readonly string[]): { readonly hosts: number; readonly longest: number; readonly total: number } {
  let hosts = 0;
  let longest = 0;
  let total = 0;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    const length = name.length + (rawHeaders[i + 1]?.length ?? 0) + 4;
    if (length > longest) longest = length;
    total += length;
    if (name.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  return { hosts, longest, total };
}

/** What a request line says by HTTP/1's syntax: HTTP/2 has another. */
const wrongVersion = (major: number, version: string): Answer =>
  major >= 2 ? { ...page(505, `HTTP/${version} in a request line`), close: true } : page(400, `HTTP/${version}`);

/** ngx_http_validate_host: it looks at little. */
const validHost = (host: string): boolean => /^[^\0-\x20\x7f/]+$/.test(host) && !host.includes("..");
