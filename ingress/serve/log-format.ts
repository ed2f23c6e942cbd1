// An nginx log_format: text with variables, compiled once, filled for each request.
// Upstream: ngx_http_log_module with its three ways to escape; variables of a request that is over.
import type { IncomingMessage } from "node:http";
import type { Exchange } from "../request/exchange.ts";
import { headBytes, lineOf, type RequestRecord, triesText, type Try } from "../request/request-record.ts";
import { isoTime, localTime, seconds, since } from "../request/nginx-times.ts";
import { variable } from "../request/variables.ts";

/** A request that is over. */
export interface LogSubject {
  readonly request: IncomingMessage;
  /** Head of the answer as it was written; "" when none was, and over HTTP/2. */
  readonly sentHead: string;
  /** Undefined when no location was found for it. */
  readonly exchange: Exchange | undefined;
  readonly record: RequestRecord;
  readonly status: number;
  readonly clientIp: string;
  /** Monotonic, and since the epoch. */
  readonly endedAt: number;
  readonly nowMs: number;
}

/** How values are made safe; "default" writes `\xHH`. */
export type Escape = "default" | "json" | "none";

/** ingress-nginx's `log-format-upstream`. */
export const DEFAULT_FORMAT =
  '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" ' +
  "$request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr " +
  "$upstream_response_length $upstream_response_time $upstream_status $req_id";

/** Fills in the variables. */
export type Format<T> = (subject: T) => string;

export type LogFormat = Format<LogSubject>;

export const compileLogFormat = (text: string, escape: Escape): LogFormat => compileFormat(text, escape, valueOf);

export function compileFormat<T>(text: string, escape: Escape, of: (subject: T, name: string) => string | undefined): Format<T> {
  const parts: (string | ((subject: T) => string))[] = [];
  let at = 0;
  for (const found of text.matchAll(/\$(?:\{(\w+)\}|(\w+))/g)) {
    if (found.index > at) parts.push(text.slice(at, found.index));
    const name = found[1] ?? found[2] ?? "";
    parts.push((subject) => escaped(of(subject, name), escape));
    at = found.index + found[0].length;
  }
  if (at < text.length) parts.push(text.slice(at));
  return (subject) => {
    let line = "";
    for (const part of parts) line += typeof part === "string" ? part : part(subject);
    return line;
  };
}

/** Set by the template for every location, so empty where others are absent. */
const SET = new Set([
  "namespace",
  "ingress_name",
  "service_name",
  "service_port",
  "location_path",
  "proxy_upstream_name",
  "proxy_alternative_upstream_name",
  "proxy_host",
  "best_http_host",
  "pass_access_scheme",
  "pass_port",
  "pass_server_port",
  "https",
  "is_args",
]);

/** Undefined: an absent variable. */
function valueOf(subject: LogSubject, name: string): string | undefined {
  const own = VARIABLES[name];
  if (own) return own(subject);
  if (name.startsWith("sent_http_")) return sentHeader(subject.sentHead, name.slice(10));
  if (name.startsWith("upstream_http_")) return lineOf(subject.record.lastTry?.headers ?? [], name.slice(14));
  const { exchange } = subject;
  const value = exchange ? variable(exchange, name) : "";
  return value === "" && !SET.has(name) ? undefined : value;
}

const VARIABLES: Readonly<Record<string, (subject: LogSubject) => string | undefined>> = {
  remote_addr: ({ clientIp }) => clientIp,
  remote_user: ({ exchange }) => exchange?.remoteUser || undefined,
  time_local: ({ nowMs }) => localTime(nowMs),
  time_iso8601: ({ nowMs }) => isoTime(nowMs),
  msec: ({ nowMs }) => seconds(nowMs),
  request: ({ request }) => `${request.method} ${request.url} HTTP/${request.httpVersion}`,
  request_method: ({ request }) => request.method,
  request_uri: ({ request }) => request.url,
  server_protocol: ({ request }) => `HTTP/${request.httpVersion}`,
  http_referer: ({ request }) => request.headers.referer,
  http_user_agent: ({ request }) => request.headers["user-agent"],
  http_host: ({ request }) => request.headers.host,
  request_id: ({ exchange }) => exchange?.requestId,
  req_id: ({ exchange }) => exchange?.requestId,
  status: ({ status }) => String(status),
  body_bytes_sent: ({ record }) => String(record.bodyBytes + record.framingBytes),
  bytes_sent: (subject) => String(bytesSent(subject)),
  request_length: (subject) => String(requestLength(subject)),
  request_time: ({ record, endedAt }) => seconds(endedAt - record.startedAt),
  proxy_alternative_upstream_name: ({ record }) => record.alternative,
  upstream_addr: overTries(({ address }) => address),
  upstream_status: overTries(({ status }) => (status === 0 ? "-" : String(status))),
  upstream_response_length: overTries(({ bytes }) => String(bytes)),
  upstream_bytes_received: overTries(({ bytes }) => String(bytes)),
  upstream_response_time: overTries((asked, { endedAt }) => since(asked.startedAt, asked.endedAt ?? endedAt)),
  upstream_header_time: overTries((asked) => since(asked.startedAt, asked.answeredAt)),
  upstream_connect_time: overTries((asked) => since(asked.startedAt, asked.connectedAt)),
};

/** A variable of nginx's upstream. */
function overTries(of: (asked: Try, subject: LogSubject) => string): (subject: LogSubject) => string | undefined {
  return (subject) => triesText(subject.record, (asked) => of(asked, subject));
}

/** All that went to the client; over HTTP/2 the body alone. */
export function bytesSent({ sentHead, record }: Pick<LogSubject, "sentHead" | "record">): number {
  return sentHead.length + record.bodyBytes + record.framingBytes;
}

export function requestLength({ request, record }: Pick<LogSubject, "request" | "record">): number {
  return headBytes(request.method ?? "", request.url ?? "", request.rawHeaders) + record.receivedBytes;
}

function sentHeader(head: string, name: string): string | undefined {
  const lines = head.split("\r\n").slice(1);
  return lineOf(
    lines.flatMap((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
    name,
  );
}

function escaped(value: string | undefined, escape: Escape): string {
  if (value === undefined) return escape === "default" ? "-" : "";
  switch (escape) {
    case "none":
      return value;
    case "json":
      return /["\\\0-\x1f]/.test(value) ? JSON.stringify(value).slice(1, -1) : value;
    case "default":
      return /["\\\0-\x1f\x7f-\uffff]/.test(value)
        ? value.replace(/["\\\0-\x1f\x7f-\uffff]/g, (char) => `\\x${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`)
        : value;
  }
}
