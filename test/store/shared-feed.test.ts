// The shared reader: one cursor while somebody holds it, slices of a large batch, and a new beginning after the last has gone.
import t from "tap";
import { nextTurn } from "../../model/clock.ts";
import { ConfigMaps } from "../../model/resources.ts";
import { SharedFeed, type Store } from "../../store/index.ts";
import { configMap, testStore } from "../support/store.ts";

/** A feed of ConfigMaps that writes down what happens to it: "begin", "+a", "-a", "taken", "end". */
function noting(store: Store, options: { readonly chunk?: number; readonly delayMs?: number } = {}): { feed: SharedFeed; notes: string[] } {
  const notes: string[] = [];
  const { chunk = 100, delayMs = 0 } = options;
  const feed = new SharedFeed({
    ...{ store, name: "test", chunk, delayMs, types: () => [ConfigMaps] },
    begin: () => {
      notes.push("begin");
      return {
        take: ({ key, object }) => void notes.push(`${object ? "+" : "-"}${key.split("/")[1]}`),
        taken: () => void notes.push("taken"),
      };
    },
    end: () => void notes.push("end"),
  });
  return { feed, notes };
}

t.test("holders share one run; the last ends it, the next begins anew", async (t) => {
  const { store } = await testStore();
  await store.create(ConfigMaps, configMap("a"));
  await store.create(ConfigMaps, configMap("b"));
  const { feed, notes } = noting(store);
  t.strictSame(notes, [], "nobody holds it");
  const first = feed.acquire();
  const second = feed.acquire();
  await feed.synced;
  t.strictSame(notes.splice(0), ["begin", "+a", "+b", "taken"]);
  t.equal(feed.holders, 2);
  await first[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  t.equal(feed.holders, 1, "letting go twice counts once");
  await store.delete(ConfigMaps, "default", "a");
  await store.settle();
  t.strictSame(notes.splice(0), ["-a", "taken"], "the other still reads");
  await second[Symbol.asyncDispose]();
  await store.create(ConfigMaps, configMap("c"));
  await store.settle();
  t.strictSame(notes.splice(0), ["end"]);
  await using third = feed.acquire();
  void third;
  await feed.synced;
  t.strictSame(notes, ["begin", "+b", "+c", "taken"], "the state anew, not what was missed");
});

t.test("a large batch is taken in slices, and not beyond the end", async (t) => {
  const { store } = await testStore();
  for (let i = 0; i < 10; i++) await store.create(ConfigMaps, configMap(`m${i}`));
  const { feed, notes } = noting(store, { chunk: 4 });
  const held = feed.acquire();
  const perTurn: number[] = [];
  while (!notes.includes("taken")) {
    const before = notes.length;
    await nextTurn();
    perTurn.push(notes.length - before);
  }
  t.ok(Math.max(...perTurn) <= 5, `${perTurn.join()} notes per turn`);
  await held[Symbol.asyncDispose]();

  const again = feed.acquire();
  await Promise.resolve();
  const done = again[Symbol.asyncDispose]();
  const next = feed.acquire();
  await done;
  await feed.synced;
  const text = notes.join(" ");
  t.match(text, /begin (\+m\d ){0,4}begin (\+m\d ){10}taken$/, "a run let go in the middle takes nothing more, and does not end the next");
  await next[Symbol.asyncDispose]();
});

t.test("late by the propagation delay", async (t) => {
  const { store, clock } = await testStore();
  const { feed, notes } = noting(store, { delayMs: 1000 });
  await using held = feed.acquire();
  void held;
  await feed.synced;
  await store.create(ConfigMaps, configMap("late"));
  await clock.advance(999);
  t.notOk(notes.includes("+late"));
  await clock.advance(1);
  t.ok(notes.includes("+late"));
});
