// A request is over: it is measured, and written to the access log when that is wanted.
// Upstream: nginx's log phase.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { Exchange } from "../request/exchange.ts";
import { realIp } from "../request/real-ip.ts";
import type { RequestRecord, Try } from "../request/request-record.ts";
import type { AccessLog } from "./access-log.ts";
import type { Arrival } from "../request/request-facts.ts";
import type { RequestMetrics } from "./request-metrics.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";
import type { ControllerWorld } from "./world.ts";

export interface EndParts {
  readonly feed: RoutesFeed;
  readonly world: ControllerWorld;
  readonly metrics: RequestMetrics;
  readonly accessLog: AccessLog;
}

export interface Ended {
  readonly request: IncomingMessage;
  readonly arrival: Arrival;
  /** Undefined when no location was found. */
  readonly exchange: Exchange | undefined;
  readonly record: RequestRecord;
  readonly status: number;
  /** The head of the answer; "" when there is none, and over HTTP/2. */
  readonly sentHead: string;
}

/** The answer has gone out, or the client has left. */
export function endRequest(parts: EndParts, ended: Ended): void {
  const { world, feed, metrics, accessLog } = parts;
  const { request, arrival, exchange } = ended;
  const config = exchange?.table.config ?? feed.table.config;
  const logged = accessLog.wants(config, exchange, request.url ?? "");
  if (!exchange && !logged) return;
  const endedAt = world.clock.monotonic();
  if (exchange) metrics.observe(ended, exchange, endedAt);
  if (!logged) return;
  const clientIp = exchange?.facts.clientIp ?? realIp(request.headers, arrival, config);
  accessLog.write(config, { ...ended, endedAt, clientIp, nowMs: world.clock.now() });
}

/** The pod's head is there. */
export function answeredTry(asked: Try, status: number, headers: readonly string[], now: number): void {
  asked.status = status;
  asked.headers = headers;
  asked.answeredAt = now;
}

/** The head that Node wrote; not over HTTP/2. */
export function headOf(response: ServerResponse): string {
  const head: unknown = "_header" in response ? response._header : undefined;
  return typeof head === "string" ? head : "";
}

/** The answer is complete. Of a stream that was reset Node says that it is finished. */
export function wentOut(response: ServerResponse): boolean {
  if (!("stream" in response)) return response.writableFinished;
  return (response as unknown as Http2ServerResponse).stream.rstCode === 0 && response.writableFinished;
}
