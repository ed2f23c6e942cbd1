// When a cluster is ready: every Deployment has its replicas available and every pod that should run is Ready.
import { realClock } from "../model/clock.ts";
import { Deployments, Pods } from "../model/resources.ts";
import type { Store } from "../store/index.ts";

const DEFAULT_TIMEOUT_MS = 30_000;

export interface ReadyOptions {
  /** Of real time; default 30 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Resolves when ready; rejects after the timeout, naming what is not, or with the signal's reason. */
export async function waitUntilReady(store: Store, { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: ReadyOptions = {}): Promise<void> {
  signal?.throwIfAborted();
  const abort = new AbortController();
  const timer = realClock.after(timeoutMs, () => abort.abort());
  const onAbort = (): void => abort.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  const cursor = store.cursor({ name: "readiness" });
  try {
    for await (const _changes of cursor.batches([Deployments, Pods], abort.signal)) if (unready(store).length === 0) return;
  } finally {
    timer.cancel();
    signal?.removeEventListener("abort", onAbort);
    cursor.close();
  }
  signal?.throwIfAborted();
  throw new Error(`not ready after ${timeoutMs / 1000} s: ${shortList(unready(store))}`);
}

const SHOWN = 8;

/** A list for people: the first few, and how many more. */
function shortList(items: readonly string[]): string {
  const more = items.length - SHOWN;
  return more > 0 ? `${items.slice(0, SHOWN).join(", ")} and ${more} more` : items.join(", ");
}

/** `pod default/web-1 (ImagePullBackOff)`, `deployment default/web (1/3)`. */
export function unready(store: Store): readonly string[] {
  const deployments = store.list(Deployments).flatMap(({ metadata, spec, status }) => {
    const [available, wanted] = [status?.availableReplicas ?? 0, spec.replicas ?? 1];
    const current = status?.observedGeneration === metadata.generation && (status?.updatedReplicas ?? 0) === wanted;
    return current && available >= wanted ? [] : [`deployment ${metadata.namespace}/${metadata.name} (${available}/${wanted})`];
  });
  const pods = store.list(Pods).flatMap(({ metadata, status }) => {
    if (metadata.deletionTimestamp !== undefined || status?.phase === "Succeeded" || status?.phase === "Failed") return [];
    if (status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True")) return [];
    const waiting = status?.containerStatuses?.find((container) => container.state?.waiting)?.state?.waiting?.reason;
    return [`pod ${metadata.namespace}/${metadata.name} (${waiting ?? status?.phase ?? "Pending"})`];
  });
  return [...pods, ...deployments];
}
