// What each node's kube-proxy answers over HTTP: /metrics and /proxyMode on port 10249, /healthz and /livez on port 10256.
// Upstream: cmd/kube-proxy/app/server.go serveMetrics, pkg/proxy/healthcheck/proxy_health.go (KEP-3836: a node that is about to be
// deleted fails /healthz, so that load balancers let go of it, while /livez stays good). Upstream binds metrics to the node's 127.0.0.1.
import { createServer, type Server } from "node:http";
import { METRICS_MEDIA_TYPE, type MetricRegistry } from "../model/metrics.ts";
import type { ProxyMode } from "./proxy-config.ts";

export const METRICS_PORT = 10_249;
export const HEALTHZ_PORT = 10_256;

/** A node's proxy at this moment. */
export interface NodeState {
  readonly nowMs: number;
  /** When the rules were last synced. */
  readonly lastSyncMs: number;
  /** No sync is overdue. */
  readonly healthy: boolean;
  /** The node is not about to be deleted. */
  readonly eligible: boolean;
}

export interface HealthzAnswer {
  readonly status: 200 | 503;
  readonly body: string;
}

/** The answer of /healthz, or with `live` of /livez, which does not look at the node. A healthy proxy counts as updated now. */
export function healthzAnswer({ nowMs, lastSyncMs, healthy, eligible }: NodeState, live: boolean): HealthzAnswer {
  const lastUpdated = timeText(healthy ? nowMs : lastSyncMs);
  const status = healthy && (live || eligible) ? 200 : 503;
  const currentTime = timeText(nowMs);
  return {
    status,
    body: live
      ? `{"lastUpdated": "${lastUpdated}","currentTime": "${currentTime}"}`
      : `{"lastUpdated": "${lastUpdated}","currentTime": "${currentTime}", "nodeEligible": ${eligible}}`,
  };
}

/** As Go prints a UTC time. */
function timeText(ms: number): string {
  return `${new Date(ms).toISOString().replace("T", " ").replace("Z", "")} +0000 UTC`;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const TEXT = "text/plain; charset=utf-8";
const NOT_FOUND: Answer = { status: 404, type: TEXT, body: "404 page not found\n" };

function routes(handlers: Readonly<Record<string, () => Answer>>): Server {
  return createServer((request, response) => {
    const [path = ""] = (request.url ?? "").split("?", 1);
    const { status, type, body } = (Object.hasOwn(handlers, path) ? handlers[path]?.() : undefined) ?? NOT_FOUND;
    const headers = { "Content-Type": type, "X-Content-Type-Options": "nosniff", "Content-Length": Buffer.byteLength(body) };
    response.writeHead(status, headers).end(body);
  });
}

/** Port 10249. */
export function metricsServer(mode: ProxyMode, text: () => string): Server {
  return routes({
    "/metrics": () => ({ status: 200, type: METRICS_MEDIA_TYPE, body: text() }),
    "/proxyMode": () => ({ status: 200, type: TEXT, body: mode }),
  });
}

/** Port 10256; counts its answers in the node's registry. */
export function healthzServer(state: () => NodeState, registry: MetricRegistry): Server {
  const answer = (live: boolean): Answer => {
    const { status, body } = healthzAnswer(state(), live);
    registry.add(`kubeproxy_proxy_${live ? "livez" : "healthz"}_total`, { code: String(status) });
    return { status, type: "application/json", body };
  };
  return routes({ "/healthz": () => answer(false), "/livez": () => answer(true) });
}
