// How large V8's young generation may get. Loading the program leaves 8 MB, ten idle seconds 1 MB, and --semi-space-growth-factor=1 keeps it
// there: right for what is made to stay, pods and all that belongs to them. Under load it is wrong. What serves a request then outlives two
// collections and dies in the old generation; requests through the Ingress cost two to three times as much. So sustained load lets it grow to
// 24 MB, each time V8 has shrunk it again. Upstream: V8's Heap::ShouldResizeNewSpace.
import { constants, PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";

/** Collections of the young generation that are load, and the time they take to come about. */
const COLLECTIONS = 150;
const WITHIN_MS = 2000;
/** What stays makes the heap larger than this within that time: a thousand pods double it. */
const GROWTH = 1.3;
const ENOUGH_BYTES = 24e6;

/** `at` in milliseconds; `heapBytes` in use after it. */
export interface Collection {
  readonly at: number;
  readonly heapBytes: number;
}

/** Watches the collections from now on; keeps no process alive. */
export function growUnderLoad(): void {
  const recent: Collection[] = [];
  let loaded = false;
  let factor = 1;
  const observer = new PerformanceObserver((list) => {
    if (!loaded) {
      const minor = list.getEntries().filter(isMinor);
      const heapBytes = getHeapStatistics().used_heap_size;
      const next = minor.map(({ startTime }) => ({ at: startTime, heapBytes }));
      loaded = isLoad(recent, next);
    }
    const wanted = loaded && youngBytes() < ENOUGH_BYTES ? 16 : 1;
    if (wanted === factor) return;
    factor = wanted;
    setFlagsFromString(`--semi-space-growth-factor=${factor}`);
  });
  observer.observe({ entryTypes: ["gc"] });
}

/** So many collections in a short time, and hardly more in use than before them. Keeps in `recent` what it needs of the `next`. */
export function isLoad(recent: Collection[], next: readonly Collection[]): boolean {
  recent.push(...next);
  if (recent.length < COLLECTIONS) return false;
  recent.splice(0, recent.length - COLLECTIONS);
  const [first, last] = [recent[0], recent.at(-1)];
  return first !== undefined && last !== undefined && last.at - first.at < WITHIN_MS && last.heapBytes < first.heapBytes * GROWTH;
}

const youngBytes = (): number => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;

/** Node tells the kind of a collection in the entry's detail, which its types leave out. */
function isMinor(entry: object): boolean {
  const detail: unknown = "detail" in entry ? entry.detail : undefined;
  return typeof detail === "object" && detail !== null && "kind" in detail && detail.kind === constants.NODE_PERFORMANCE_GC_MINOR;
}
