// limit-rps, limit-rpm, limit-connections: by client address or limit-conn-zone-variable, per Ingress and controller pod.
// Upstream: internal/ingress/annotations/ratelimit; ngx_http_limit_req_module (a leaky bucket, nodelay), ngx_http_limit_conn_module.
import { type Answer, page } from "../request/answer.ts";
import type { Exchange } from "../request/exchange.ts";
import { expand } from "../request/variables.ts";
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
  steps: (settings) => [...rateSteps(settings), ...(settings.connections > 0 ? [connectionStep(settings)] : [])],
});

/** limit-conn-zone-variable: who is counted together, by default a client's address. "": it is not limited. */
function keyOf(settings: Limits, exchange: Exchange): string {
  if (inAny(settings.exempt, exchange.facts.clientIp)) return "";
  const variable = exchange.table.config.text("limit-conn-zone-variable");
  return variable === "" ? exchange.facts.clientIp : expand(exchange, variable);
}

/** What a client gets once a limit is used up. */
export function limitAnswers(exchange: Exchange): readonly Answer[] {
  const { limits: settings } = exchange.location.settings;
  const key = keyOf(settings, exchange);
  if (key === "") return [];
  return [
    ...ratesOf(settings).map((rate) => overRate(settings, rate, key, exchange)),
    ...(settings.connections > 0 ? [overConnections(settings, key, exchange)] : []),
  ];
}

const overRate = ({ burstMultiplier }: Limits, { annotation, rate }: Rate, key: string, { table }: Exchange): Answer =>
  page(table.config.number("limit-req-status-code", 503), `${annotation} ${rate}: burst of ${rate * burstMultiplier} used up by ${key}`);

const overConnections = ({ connections }: Limits, key: string, { table }: Exchange): Answer =>
  page(table.config.number("limit-conn-status-code", 503), `limit-connections ${connections}: ${key} has as many under way`);

interface Bucket {
  excess: number;
  at: number;
}

/** Buckets that nobody has used for long are dropped beyond this many. */
const MOST_BUCKETS = 10_000;

interface Rate {
  readonly annotation: string;
  /** Requests per `perMs`. */
  readonly rate: number;
  readonly perMs: number;
}

/** The rates that are set. */
function ratesOf({ rps, rpm }: Limits): readonly Rate[] {
  const rates = [
    { annotation: "limit-rps", rate: rps, perMs: 1000 },
    { annotation: "limit-rpm", rate: rpm, perMs: 60_000 },
  ];
  return rates.filter(({ rate }) => rate > 0);
}

/** A burst on top of each rate, the rest refused. What one refuses the others do not count. */
function rateSteps(settings: Limits): readonly Step[] {
  const rates = ratesOf(settings);
  if (rates.length === 0) return [];
  return [
    {
      phase: "preaccess",
      annotation: rates.map(({ annotation }) => annotation).join(", "),
      run(exchange) {
        const { world } = exchange;
        const key = keyOf(settings, exchange);
        if (key === "") return undefined;
        const now = world.clock.monotonic();
        const counted: (readonly [buckets: Map<string, Bucket>, excess: number])[] = [];
        for (const each of rates) {
          const { annotation, rate, perMs } = each;
          const buckets = world.state(`${annotation} ${settings.zone}`, () => new Map<string, Bucket>());
          const bucket = buckets.get(key);
          const excess = bucket ? Math.max(0, bucket.excess - ((now - bucket.at) * rate) / perMs + 1) : 0;
          if (excess > rate * settings.burstMultiplier) return overRate(settings, each, key, exchange);
          counted.push([buckets, excess]);
        }
        for (const [buckets, excess] of counted) {
          if (buckets.size > MOST_BUCKETS) buckets.clear();
          buckets.set(key, { excess, at: now });
        }
        return undefined;
      },
    },
  ];
}

function connectionStep(settings: Limits): Step {
  return {
    phase: "preaccess",
    annotation: "limit-connections",
    run(exchange) {
      const { world } = exchange;
      const key = keyOf(settings, exchange);
      if (key === "") return undefined;
      const open = world.state(`limit-connections ${settings.zone}`, () => new Map<string, number>());
      const count = open.get(key) ?? 0;
      if (count >= settings.connections) return overConnections(settings, key, exchange);
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
