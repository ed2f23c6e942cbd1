// The default driver: a map and a counter, gone with the process.
import type { Driver, Entry, PutResult } from "./driver.ts";

/** Starts at revision 1, as an empty etcd does. */
export function createMemoryDriver(): Driver {
  const entries = new Map<string, Entry>();
  let revision = 1;

  const check = (key: string, expected: number): PutResult | undefined => {
    const current = entries.get(key)?.revision ?? 0;
    return current === expected ? undefined : { ok: false, current };
  };
  return {
    async load() {
      return { revision, entries: [...entries.values()] };
    },
    put(key, object, expected) {
      const refused = check(key, expected);
      if (refused) return refused;
      revision++;
      entries.set(key, { key, object, revision });
      return { ok: true, revision };
    },
    remove(key, expected) {
      const refused = check(key, expected);
      if (refused) return refused;
      entries.delete(key);
      return { ok: true, revision: ++revision };
    },
    changes: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }) }),
    async close() {},
  };
}
