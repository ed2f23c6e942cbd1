// What a run has counted so far: per endpoint and in total. A connection whose endpoint is learned late keeps its requests until then.
import { LatencyHistogram } from "../statistics/index.ts";

/** One request's end. */
export type Outcome =
  /** `endpoint` is what the answer itself says gave it. */
  | { readonly type: "answered"; readonly latencyMs: number; readonly status: number; readonly endpoint: string | undefined }
  /** `cause`: an errno, "timeout", "closed before the answer", … */
  | { readonly type: "failed"; readonly cause: string };

export class EndpointTally {
  requests = 0;
  connections = 0;
  readonly errors = new Map<string, number>();
  readonly latency = new LatencyHistogram();
}

/** One connection of the generator. */
export class Connection {
  /** Clock milliseconds at which it was begun. */
  readonly startedAt: number;
  endpoint: string | undefined;
  answered = 0;
  /** Outcomes that wait for the endpoint. */
  waiting: Outcome[] = [];

  constructor(startedAt: number, endpoint?: string) {
    this.startedAt = startedAt;
    this.endpoint = endpoint;
  }
}

export class Tally {
  sent = 0;
  answered = 0;
  failed = 0;
  connections = 0;
  readonly latency = new LatencyHistogram();
  readonly errors = new Map<string, number>();
  readonly #endpoints = new Map<string, EndpointTally>();

  /** By `ip:port`. */
  get endpoints(): ReadonlyMap<string, EndpointTally> {
    return this.#endpoints;
  }
  opened(connection: Connection): void {
    this.connections++;
    if (connection.endpoint !== undefined) this.#endpoint(connection.endpoint).connections++;
  }
  /** A connection's endpoint is known now. */
  attribute(connection: Connection, endpoint: string): void {
    connection.endpoint = endpoint;
    this.#endpoint(endpoint).connections++;
    for (const outcome of connection.waiting) this.#count(endpoint, outcome);
    connection.waiting = [];
  }
  /** `connection` is undefined when none could be opened. */
  ended(connection: Connection | undefined, outcome: Outcome): void {
    if (outcome.type === "answered") {
      this.answered++;
      this.latency.record(outcome.latencyMs);
      if (connection) connection.answered++;
    }
    const cause = causeOf(outcome);
    if (cause !== undefined) {
      this.failed++;
      add(this.errors, cause);
    }
    const endpoint = (outcome.type === "answered" ? outcome.endpoint : undefined) ?? connection?.endpoint;
    if (endpoint !== undefined) this.#count(endpoint, outcome);
    else connection?.waiting.push(outcome);
  }
  #count(endpoint: string, outcome: Outcome): void {
    const tally = this.#endpoint(endpoint);
    const cause = causeOf(outcome);
    if (cause !== undefined) add(tally.errors, cause);
    if (outcome.type === "failed") return;
    tally.requests++;
    tally.latency.record(outcome.latencyMs);
  }
  #endpoint(name: string): EndpointTally {
    let tally = this.#endpoints.get(name);
    if (!tally) this.#endpoints.set(name, (tally = new EndpointTally()));
    return tally;
  }
}

/** Why an outcome is an error: status 400 and above are. */
function causeOf(outcome: Outcome): string | undefined {
  if (outcome.type === "failed") return outcome.cause;
  return outcome.status >= 400 ? `HTTP ${outcome.status}` : undefined;
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
