// Watches as positions in the log; delayed cursors; controllers; settle.
import t from "tap";
import { keyOf } from "../../model/object.ts";
import { ConfigMaps } from "../../model/resources.ts";
import { parseLabelSelector } from "../../model/selectors.ts";
import { type Change, createController, on, type WatchEvent } from "../../store/index.ts";
import { configMap, testStore } from "../support/store.ts";

const show = (event: WatchEvent): string =>
  event.type === "BOOKMARK"
    ? `BOOKMARK ${event.revision}${event.initial ? " initial" : ""}`
    : `${event.type} ${event.object.metadata.name} ${event.object.metadata.resourceVersion}`;
const showChange = (change: Change): string => `${change.previous ? "-" : ""}${change.object ? "+" : ""}${change.key}`;

async function take<T>(source: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of source) if (taken.push(item) === count) break;
  return taken;
}

t.test("a watch list yields the state, a bookmark, then changes", async (t) => {
  const { store } = await testStore();
  await store.create(ConfigMaps, configMap("a"));
  const watching = take(store.watch(ConfigMaps, { bookmarks: true }), 5);
  await store.settle();
  await store.create(ConfigMaps, configMap("b"));
  await store.mutate(ConfigMaps, "default", "a", (map) => void (map.data = { k: "v" }));
  await store.delete(ConfigMaps, "default", "b");
  t.strictSame((await watching).map(show), ["ADDED a 2", "BOOKMARK 2 initial", "ADDED b 3", "MODIFIED a 4", "DELETED b 5"]);
});

t.test("a selector turns changes into ADDED and DELETED at its edge", async (t) => {
  const { store } = await testStore();
  const from = store.revision;
  await store.create(ConfigMaps, configMap("a", {}, { app: "x" }));
  await store.mutate(ConfigMaps, "default", "a", (map) => void (map.metadata.labels = { app: "y" }));
  await store.mutate(ConfigMaps, "default", "a", (map) => void (map.metadata.labels = { app: "x" }));
  const events = await take(store.watch(ConfigMaps, { from, labels: parseLabelSelector("app=x") }), 3);
  t.strictSame(events.map(show), ["ADDED a 2", "DELETED a 3", "ADDED a 4"]);
});

t.test("below the horizon a watch is expired, never silently short", async (t) => {
  const { store } = await testStore({ logLimit: 4 });
  for (let i = 0; i < 12; i++) await store.create(ConfigMaps, configMap(`a${i}`));
  await t.rejects(take(store.watch(ConfigMaps, { from: 2 }), 1), { code: 410, reason: "Expired" });
  t.throws(() => store.listAt(ConfigMaps, 2), { code: 410 });
  t.equal((await take(store.watch(ConfigMaps, { from: store.revision - 1 }), 1)).length, 1);
});

t.test("an old list is what was there then", async (t) => {
  const { store } = await testStore();
  await store.create(ConfigMaps, configMap("a"));
  await store.create(ConfigMaps, configMap("b"));
  const then = store.revision;
  await store.delete(ConfigMaps, "default", "a");
  await store.create(ConfigMaps, configMap("c"));
  t.equal(
    store
      .listAt(ConfigMaps, then)
      .map((o) => o.metadata.name)
      .join(" "),
    "a b",
  );
});

t.test("a delayed cursor sees the past until its delay is over", async (t) => {
  const { store, clock } = await testStore();
  await store.create(ConfigMaps, configMap("a", { v: "1" }));
  const cursor = store.cursor({ delayMs: 100 });
  const names = (): string =>
    cursor
      .list(ConfigMaps)
      .map((o) => `${o.metadata.name}${o.data?.["v"] ?? ""}`)
      .join(" ");
  await store.mutate(ConfigMaps, "default", "a", (map) => void (map.data = { v: "2" }));
  await store.create(ConfigMaps, configMap("b"));
  t.equal(names(), "a1");
  await clock.advance(60);
  await store.mutate(ConfigMaps, "default", "a", (map) => void (map.data = { v: "3" }));
  await clock.advance(40);
  t.equal(names(), "a2 b", "the first two changes are due, the third is not");
  t.equal(cursor.get(ConfigMaps, "default", "a")?.data?.["v"], "2");
  await clock.advance(60);
  t.equal(names(), "a3 b");
  t.equal(cursor.revision, store.revision);
});

t.test("batches give the state first, then coalesced changes", async (t) => {
  const { store } = await testStore();
  await store.create(ConfigMaps, configMap("a"));
  const cursor = store.cursor();
  const batches: string[][] = [];
  const abort = new AbortController();
  const reading = (async () => {
    for await (const batch of cursor.batches([ConfigMaps], abort.signal)) batches.push(batch.map(showChange));
  })();
  await store.settle();
  await store.create(ConfigMaps, configMap("b"));
  await store.mutate(ConfigMaps, "default", "b", (map) => void (map.data = { k: "v" }));
  await store.create(ConfigMaps, configMap("brief"));
  await store.delete(ConfigMaps, "default", "brief");
  await store.delete(ConfigMaps, "default", "a");
  await store.settle();
  abort.abort();
  await reading;
  t.strictSame(batches, [["+default/a"], ["+default/b", "-default/a"]]);
});

t.test("a controller reconciles each key once per change and retries failures on the clock", async (t) => {
  const { store, clock } = await testStore();
  const seen: string[] = [];
  let failuresLeft = 2;
  const controller = createController({
    name: "test",
    store,
    clock,
    watches: [on(ConfigMaps, (map) => [keyOf(map)])],
    async reconcile(key) {
      seen.push(key);
      if (key === "default/flaky" && failuresLeft-- > 0)
        await store.update(ConfigMaps, { ...configMap("flaky"), metadata: { name: "flaky", namespace: "default", resourceVersion: "1" } });
    },
  });
  t.teardown(() => controller.stop());
  await store.create(ConfigMaps, configMap("a"));
  await controller.start();
  await store.settle();
  await store.create(ConfigMaps, configMap("flaky"));
  await store.settle();
  t.strictSame(seen, ["default/a", "default/flaky"]);
  await clock.advance(1000);
  await store.settle();
  t.strictSame(seen, ["default/a", "default/flaky", "default/flaky", "default/flaky"]);
});
