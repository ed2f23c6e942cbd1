// limit-rps, limit-rpm, limit-connections: by client address or limit-conn-zone-variable, per Ingress and controller pod.
// Upstream: internal/ingress/annotations/ratelimit; ngx_http_limit_req_module (a leaky bucket, nodelay), ngx_http_limit_conn_module.
import { page } from "../answer.ts";
import type { Exchange } from "../exchange.ts";
import { expand } from "../variables.ts";
import type { Cidr } from "../../model/ip.ts";
import { annotationGroup, type Step, low } from "./annotation.ts";
import { CIDRS, INTEGER } from "./validators.ts";
import { cidrsOf, inAny } from "./source-range.ts";

export interface Limits {
  readonly zone: string;
  readonly connections: number;
  readonly rps: number;
  readonly rpm: number;
  readonly burstMultiplier: number;
  readonly exempt: readonly Cidr[];
}

export const limits = annotationGroup<Limits>({
  upstream: "RateLimit",
  annotations: {
    "limit-connections": low(INTEGER, "drop"),
    "limit-rps": low(INTEGER, "drop"),
    "limit-rpm": low(INTEGER, "drop"),
    "limit-burst-multiplier": low(INTEGER),
    "limit-allowlist": low(CIDRS, "drop", ["limit-whitelist"]),
  },
  parse: (read) => ({
    zone: `${read.namespace}_${read.ingress?.metadata.name ?? ""}_${read.ingress?.metadata.uid ?? ""}`,
    connections: read.number("limit-connections", 0),
    rps: read.number("limit-rps", 0),
    rpm: read.number("limit-rpm", 0),
    burstMultiplier: Math.max(1, read.number("limit-burst-multiplier", 5)),
    exempt: cidrsOf(read.text("limit-allowlist") ?? ""),
  }),
  steps: (settings) => [
    ...(settings.connections > 0 ? [connectionStep(settings)] : []),
    ...(settings.rps > 0 ? [rateStep(settings, "limit-rps", settings.rps, 1000)] : []),
    ...(settings.rpm > 0 ? [rateStep(settings, "limit-rpm", settings.rpm, 60_000)] : []),
  ],
});

/** limit-conn-zone-variable: who is counted together, by default a client's address. What has none is not limited. */
function keyOf(exchange: Exchange): string {
  const variable = exchange.table.config.text("limit-conn-zone-variable");
  return variable === "" ? exchange.facts.clientIp : expand(exchange, variable);
}

interface Bucket {
  excess: number;
  at: number;
}

/** Buckets that nobody has used for long are dropped beyond this many. */
const MOST_BUCKETS = 10_000;

/** `rate` requests per `perMs`, burst on top, the rest refused. */
function rateStep(settings: Limits, annotation: string, rate: number, perMs: number): Step {
  const burst = rate * settings.burstMultiplier;
  return {
    phase: "preaccess",
    annotation,
    run(exchange) {
      const { facts, world, table } = exchange;
      if (inAny(settings.exempt, facts.clientIp)) return undefined;
      const key = keyOf(exchange);
      if (key === "") return undefined;
      const buckets = world.state(`${annotation} ${settings.zone}`, () => new Map<string, Bucket>());
      const now = world.clock.monotonic();
      const bucket = buckets.get(key);
      const excess = bucket ? Math.max(0, bucket.excess - ((now - bucket.at) * rate) / perMs + 1) : 0;
      if (excess > burst)
        return page(table.config.number("limit-req-status-code", 503), `${annotation} ${rate}: burst of ${burst} used up by ${key}`);
      if (buckets.size > MOST_BUCKETS) buckets.clear();
      buckets.set(key, { excess, at: now });
      return undefined;
    },
  };
}

function connectionStep(settings: Limits): Step {
  return {
    phase: "preaccess",
    annotation: "limit-connections",
    run(exchange) {
      const { facts, world, table } = exchange;
      if (inAny(settings.exempt, facts.clientIp)) return undefined;
      const key = keyOf(exchange);
      if (key === "") return undefined;
      const open = world.state(`limit-connections ${settings.zone}`, () => new Map<string, number>());
      const count = open.get(key) ?? 0;
      if (count >= settings.connections) {
        return page(
          table.config.number("limit-conn-status-code", 503),
          `limit-connections ${settings.connections}: ${key} has ${count} under way`,
        );
      }
      open.set(key, count + 1);
      world.onEnd(() => {
        const left = (open.get(key) ?? 1) - 1;
        if (left > 0) open.set(key, left);
        else open.delete(key);
      });
      return undefined;
    },
  };
}
