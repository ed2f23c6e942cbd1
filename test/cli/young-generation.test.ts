import { test } from "tap";
import { type Collection, isLoad } from "../../cli/young-generation.ts";

interface Case {
  readonly name: string;
  readonly collections: number;
  readonly everyMs: number;
  /** The heap at the first and the last of them, in megabytes. */
  readonly heapMb: readonly [number, number];
  readonly load: boolean;
}

const CASES: readonly Case[] = [
  { name: "requests in a young generation of 2 MB", collections: 300, everyMs: 5, heapMb: [30, 36], load: true },
  { name: "a thousand pods are made", collections: 300, everyMs: 5, heapMb: [30, 75], load: false },
  { name: "half a second of requests", collections: 100, everyMs: 5, heapMb: [30, 36], load: false },
  { name: "a few requests all the time", collections: 900, everyMs: 50, heapMb: [30, 36], load: false },
];

test("many collections that leave nothing behind are load", (t) => {
  for (const { name, collections, everyMs, heapMb, load } of CASES) {
    const [from, to] = heapMb;
    const all = Array.from({ length: collections }, (_, i): Collection => ({
      at: i * everyMs,
      heapBytes: (from + ((to - from) * i) / collections) * 1e6,
    }));
    const recent: Collection[] = [];
    // Node tells several at once.
    let seen = false;
    for (let i = 0; i < all.length; i += 7) seen ||= isLoad(recent, all.slice(i, i + 7));
    t.equal(seen, load, name);
  }
  t.end();
});
