// One run of load. Closed loop: each client sends its next request when it has its answer, so a slow server is asked less.
// Open loop (`requestsPerSecond`): requests are due at fixed times whatever the server does, and latency counts from then, so that a
// stall is seen by all the requests that it would have hit (no coordinated omission).
import type { Clock, Timer } from "../../model/clock.ts";
import type { FlowRecord } from "../../model/ports.ts";
import { Client } from "./client.ts";
import { FlowBook } from "./flow-book.ts";
import { Tally } from "./tally.ts";
import type { Transport } from "./transport.ts";

export interface LoadOptions {
  readonly transport: Transport;
  /** Clients, each with one request under way at most. */
  readonly connections: number;
  readonly keepAlive: boolean;
  /** Ends after so many requests. One of `requests` and `forMs` is given, or both: whichever comes first. */
  readonly requests?: number;
  /** No request begins after so long; those under way may finish. */
  readonly forMs?: number;
  readonly requestsPerSecond?: number;
  readonly timeoutMs: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** The cluster's flows, for connections whose opening does not tell the endpoint. */
  readonly flows?: AsyncIterable<FlowRecord>;
  /** Ends the run at once: what is under way is not counted. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (tally: Tally, elapsedMs: number) => void;
}

export interface LoadResult {
  readonly tally: Tally;
  readonly durationMs: number;
  /** Open loop: requests that were due but found no free client before the end. */
  readonly unsent: number;
  /** Open loop: requests that waited for a free client. */
  readonly delayed: number;
}

const PROGRESS_MS = 250;
/** How long flows may be behind the answers. */
const FLOWS_BEHIND_MS = 1000;

/** Runs the load to its end. Never rejects for what the target does: errors are counted. Rejects when the signal was aborted before. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { clock, signal, flows, onProgress } = options;
  const tally = new Tally();
  const book = new FlowBook(tally);
  if (flows) book.follow(flows).catch(() => undefined);
  const clients = Array.from({ length: options.connections }, () => new Client({ ...options, tally, book }));
  const stop = (): void => clients.forEach((client) => client.stop());
  signal?.throwIfAborted();
  signal?.addEventListener("abort", stop, { once: true });
  const startedAt = clock.monotonic();
  let running = true;
  const report = (): void => {
    if (!running) return;
    onProgress?.(tally, clock.monotonic() - startedAt);
    clock.after(PROGRESS_MS, report, { background: true });
  };
  if (onProgress) report();
  try {
    const { unsent, delayed } = await (options.requestsPerSecond === undefined ? closedLoop : openLoop)(options, clients, startedAt);
    const durationMs = clock.monotonic() - startedAt;
    if (flows) await book.settled(clock, FLOWS_BEHIND_MS);
    return { tally, durationMs, unsent, delayed };
  } finally {
    running = false;
    stop();
    signal?.removeEventListener("abort", stop);
  }
}

interface Loop {
  readonly unsent: number;
  readonly delayed: number;
}

async function closedLoop(
  { requests = Number.POSITIVE_INFINITY, forMs = Number.POSITIVE_INFINITY, clock, signal }: LoadOptions,
  clients: readonly Client[],
  startedAt: number,
): Promise<Loop> {
  let begun = 0;
  const work = async (client: Client): Promise<void> => {
    while (begun < requests && !signal?.aborted) {
      const now = clock.monotonic();
      if (now - startedAt >= forMs) return;
      begun++;
      await client.send(now);
    }
  };
  await Promise.all(clients.map(work));
  return { unsent: 0, delayed: 0 };
}

function openLoop(
  { requests = Number.POSITIVE_INFINITY, forMs = Number.POSITIVE_INFINITY, requestsPerSecond = 1, clock, signal }: LoadOptions,
  clients: readonly Client[],
  startedAt: number,
): Promise<Loop> {
  const intervalMs = 1000 / requestsPerSecond;
  const total = Math.min(requests, Math.ceil(forMs / intervalMs));
  const free = [...clients];
  let [due, begun, delayed] = [0, 0, 0];
  let timer: Timer | undefined;
  return new Promise((resolve) => {
    const dueAt = (nth: number): number => startedAt + nth * intervalMs;
    const over = (): boolean => signal?.aborted === true || clock.monotonic() - startedAt >= forMs;
    const serve = (): void => {
      for (let client = free[0]; client && begun < due; client = free[0]) {
        free.shift();
        void client.send(dueAt(begun++)).then(() => {
          free.push(client);
          if (over()) finish();
          else serve();
        });
      }
      finish();
    };
    const finish = (): void => {
      if (free.length < clients.length) return;
      if (signal?.aborted) return resolve({ unsent: due - begun, delayed });
      if (due === total && (begun === due || over())) resolve({ unsent: due - begun, delayed });
    };
    const tick = (): void => {
      const now = clock.monotonic();
      for (; due < total && dueAt(due) <= now; due++) if (due - begun >= free.length) delayed++;
      serve();
      if (due < total) timer = clock.after(Math.max(0, dueAt(due) - clock.monotonic()), tick);
    };
    const onAbort = (): void => {
      timer?.cancel();
      finish();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    tick();
  });
}
