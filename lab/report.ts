// A run's result beside what the Service's algorithm should have made of it: one plain object, printed as JSON or as a table.
import type { BalanceAnswer } from "../model/ports.ts";
import { judge, type Judgement } from "./expectation.ts";
import type { LoadResult } from "./load/run.ts";
import { coefficientOfVariation, jainIndex, type LatencySummary } from "./statistics/index.ts";

/** The pod behind an address. */
export interface PodOf {
  readonly pod: string;
  readonly node: string;
}

export interface EndpointReport {
  /** `ip:port`; "" collects what nobody told the endpoint of. */
  readonly endpoint: string;
  /** `namespace/name`; "" for an address that is no pod's. */
  readonly pod: string;
  readonly node: string;
  readonly connections: number;
  /** Connections (requests, where `balance.per` says so) that the algorithm should give, inclusive; null where any number may be right. */
  readonly expected: { readonly low: number; readonly high: number } | null;
  /** Requests answered. */
  readonly requests: number;
  /** Of all answered requests, 0 to 1. */
  readonly share: number;
  readonly latencyMs: LatencySummary | null;
  readonly errors: Readonly<Record<string, number>>;
}

export interface LoadReport {
  readonly kind: "LoadReport";
  readonly apiVersion: "loopkube.dev/v1alpha1";
  readonly url: string;
  readonly from: string;
  /** "direct" or "gateway", and the address. */
  readonly via: string;
  readonly dialled: string;
  readonly loop: "closed" | "open";
  readonly clients: number;
  readonly keepAlive: boolean;
  readonly requestsPerSecond: number | null;
  readonly durationSeconds: number;
  readonly requests: {
    readonly sent: number;
    readonly answered: number;
    readonly failed: number;
    readonly unsent: number;
    readonly delayed: number;
  };
  readonly connections: number;
  /** Answered requests per second. */
  readonly rate: number;
  readonly latencyMs: LatencySummary | null;
  readonly errors: Readonly<Record<string, number>>;
  readonly endpoints: readonly EndpointReport[];
  readonly balance: {
    readonly service: string;
    readonly algorithm: string;
    /** What is balanced and judged. */
    readonly per: "connection" | "request";
    readonly affinitySeconds: number;
    /** Of what is judged, per endpoint. */
    readonly variation: number;
    readonly jain: number;
    readonly chiSquare: Judgement["chiSquare"] | null;
    readonly verdict: Judgement["verdict"];
    readonly why: string;
  } | null;
}

export interface ReportInput {
  readonly url: string;
  readonly from: string;
  readonly via: string;
  readonly dialled: string;
  readonly clients: number;
  readonly keepAlive: boolean;
  readonly requestsPerSecond: number | undefined;
  readonly result: LoadResult;
  /** The Service's choice before and after the run. */
  readonly before: BalanceAnswer | undefined;
  readonly after: BalanceAnswer | undefined;
  readonly podOf: (ip: string) => PodOf | undefined;
}

export function reportOf(input: ReportInput): LoadReport {
  const { result, before, after, podOf } = input;
  const { tally, durationMs, unsent, delayed } = result;
  const choice = before ?? after;
  const known = [before, after].flatMap((each) => each?.endpoints ?? []);
  const addresses = [...new Set([...known.map(({ address }) => address), ...[...tally.endpoints.keys()].sort()])];
  const countOf = (address: string): number => tally.endpoints.get(address)?.[choice?.per === "request" ? "requests" : "connections"] ?? 0;
  const judgement = choice && judgementOf(choice, after, addresses, countOf);
  const candidates = new Set(choice?.endpoints.map(({ address }) => address));
  const endpoints = addresses.map((endpoint): EndpointReport => {
    const counted = tally.endpoints.get(endpoint);
    const chosen =
      known.find(({ address, pod }) => address === endpoint && pod !== "") ?? podOf(endpoint.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""));
    return {
      endpoint,
      pod: chosen?.pod ?? "",
      node: chosen?.node ?? "",
      connections: counted?.connections ?? 0,
      expected: candidates.has(endpoint) ? (judgement?.band ?? null) : null,
      requests: counted?.requests ?? 0,
      share: tally.answered === 0 ? 0 : (counted?.requests ?? 0) / tally.answered,
      latencyMs: counted?.latency.summary() ?? null,
      errors: Object.fromEntries(counted?.errors ?? []),
    };
  });
  const counts = (choice?.endpoints ?? []).map(({ address }) => countOf(address));
  return {
    kind: "LoadReport",
    apiVersion: "loopkube.dev/v1alpha1",
    url: input.url,
    from: input.from,
    via: input.via,
    dialled: input.dialled,
    loop: input.requestsPerSecond === undefined ? "closed" : "open",
    clients: input.clients,
    keepAlive: input.keepAlive,
    requestsPerSecond: input.requestsPerSecond ?? null,
    durationSeconds: durationMs / 1000,
    requests: { sent: tally.sent, answered: tally.answered, failed: tally.failed, unsent, delayed },
    connections: tally.connections,
    rate: durationMs === 0 ? 0 : (1000 * tally.answered) / durationMs,
    latencyMs: tally.latency.summary() ?? null,
    errors: Object.fromEntries(tally.errors),
    endpoints: [...endpoints, ...unattributed(tally, endpoints)],
    balance:
      choice && judgement
        ? {
            service: choice.service,
            algorithm: choice.algorithm,
            per: choice.per ?? "connection",
            affinitySeconds: choice.affinitySeconds,
            variation: coefficientOfVariation(counts),
            jain: jainIndex(counts),
            chiSquare: judgement.chiSquare ?? null,
            verdict: judgement.verdict,
            why: judgement.why,
          }
        : null,
  };
}

/** Counts are compared with a choice that stayed the same, and with connections that reached it. */
function judgementOf(
  choice: BalanceAnswer,
  after: BalanceAnswer | undefined,
  addresses: readonly string[],
  countOf: (address: string) => number,
): Judgement {
  const names = choice.endpoints.map(({ address }) => address);
  const judged = judge(choice, names.map(countOf));
  const same = names.join() === (after?.endpoints ?? []).map(({ address }) => address).join();
  const others = addresses.filter((address) => !names.includes(address) && countOf(address) > 0);
  if (same && others.length === 0) return judged;
  return {
    ...judged,
    band: undefined,
    chiSquare: undefined,
    verdict: "unknown",
    why: same ? "other endpoints than the Service's answered" : "the Service's endpoints changed during the run",
  };
}

/** What is left when every endpoint has its own. */
function unattributed(tally: LoadResult["tally"], endpoints: readonly EndpointReport[]): readonly EndpointReport[] {
  const connections = tally.connections - endpoints.reduce((sum, each) => sum + each.connections, 0);
  const requests = tally.answered - endpoints.reduce((sum, each) => sum + each.requests, 0);
  if (connections <= 0 && requests <= 0) return [];
  const share = tally.answered === 0 ? 0 : requests / tally.answered;
  return [{ endpoint: "", pod: "", node: "", connections, expected: null, requests, share, latencyMs: null, errors: {} }];
}
