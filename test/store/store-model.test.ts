// The store against a simple model: a map, and the list of everything that happened to it.
import fc from "fast-check";
import t from "tap";
import { StatusError } from "../../model/errors.ts";
import type { ConfigMap } from "../../model/kinds/core-v1.ts";
import { ConfigMaps } from "../../model/resources.ts";
import type { Store, WatchEvent } from "../../store/index.ts";
import { configMap, testStore } from "../support/store.ts";

type Step =
  | { readonly do: "create" | "set"; readonly name: string; readonly value: string }
  | { readonly do: "delete"; readonly name: string }
  | { readonly do: "wait"; readonly ms: number };

const name = fc.constantFrom("a", "b", "c", "d");
const value = fc.constantFrom("1", "2", "3");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom("create" as const, "set" as const), name, value }),
  fc.record({ do: fc.constant("delete" as const), name }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 60 }) }),
);
const steps = fc.array(step, { maxLength: 40 });

const show = (object: ConfigMap): string => `${object.metadata.name}=${object.data?.["v"]}@${object.metadata.resourceVersion}`;
const showAll = (objects: readonly ConfigMap[]): string => objects.map(show).join(" ");
const showEvent = (event: WatchEvent<ConfigMap>): string =>
  event.type === "BOOKMARK" ? "BOOKMARK" : `${event.type} ${show(event.object)}`;

/** What is there, and every change with its revision. */
class Model {
  revision = 1;
  readonly present = new Map<string, string>();
  readonly history: { readonly revision: number; readonly event: string; readonly state: string }[] = [
    { revision: 1, event: "", state: "" },
  ];

  /** The outcome that the store should have: "" or the status code. */
  apply(step: Step): string {
    if (step.do === "wait") return "";
    const had = this.present.get(step.name);
    if (step.do === "create" && had !== undefined) return "409";
    if (step.do !== "create" && had === undefined) return "404";
    if (step.do === "set" && had?.startsWith(`${step.name}=${step.value}@`)) return "";
    this.revision++;
    if (step.do === "delete") {
      this.present.delete(step.name);
      return this.#note(`DELETED ${had?.replace(/@.*/, "")}@${this.revision}`);
    }
    const now = `${step.name}=${step.value}@${this.revision}`;
    this.present.set(step.name, now);
    return this.#note(`${had === undefined ? "ADDED" : "MODIFIED"} ${now}`);
  }
  state(): string {
    return [...this.present.values()].toSorted().join(" ");
  }
  stateAt(revision: number): string {
    return this.history.findLast((entry) => entry.revision <= revision)?.state ?? "";
  }
  #note(event: string): string {
    this.history.push({ revision: this.revision, event, state: this.state() });
    return "";
  }
}

async function perform(store: Store, step: Exclude<Step, { do: "wait" }>): Promise<string> {
  try {
    if (step.do === "create") await store.create(ConfigMaps, configMap(step.name, { v: step.value }));
    else if (step.do === "set") await store.mutate(ConfigMaps, "default", step.name, (map) => void (map.data = { v: step.value }));
    else await store.delete(ConfigMaps, "default", step.name);
    return "";
  } catch (error) {
    if (error instanceof StatusError) return String(error.code);
    throw error;
  }
}

async function take(events: AsyncIterable<WatchEvent<ConfigMap>>, count: number): Promise<string[]> {
  const taken: string[] = [];
  if (count > 0) for await (const event of events) if (taken.push(showEvent(event)) === count) break;
  return taken;
}

t.test("writes, old lists and watches agree with the model", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      const { store } = await testStore();
      const model = new Model();
      for (const step of steps) {
        const expected = model.apply(step);
        if (step.do !== "wait") equal(await perform(store, step), expected, JSON.stringify(step));
        equal(showAll(store.list(ConfigMaps)), model.state(), "list");
      }
      equal(String(store.revision), String(model.revision), "revision");
      for (const { revision } of model.history) {
        equal(showAll(store.listAt(ConfigMaps, revision)), model.stateAt(revision), `listAt ${revision}`);
        const after = model.history.filter((entry) => entry.revision > revision).map((entry) => entry.event);
        equal((await take(store.watch(ConfigMaps, { from: revision }), after.length)).join(), after.join(), `watch from ${revision}`);
      }
    }),
    { numRuns: 60 },
  );
});

t.test("a cursor with any delay sees the state of that long ago", async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 0, max: 100 }), async (steps, delayMs) => {
      const { store, clock } = await testStore();
      const cursor = store.cursor({ delayMs });
      const written: { readonly at: number; readonly revision: number }[] = [{ at: Number.NEGATIVE_INFINITY, revision: 1 }];
      for (const step of steps) {
        if (step.do === "wait") await clock.advance(step.ms);
        else await perform(store, step);
        written.push({ at: clock.now(), revision: store.revision });
        const seen = written.findLast((entry) => entry.at <= clock.now() - delayMs)?.revision ?? 1;
        equal(showAll(cursor.list(ConfigMaps)), showAll(store.listAt(ConfigMaps, seen)), `${delayMs} ms late`);
        for (const name of ["a", "b", "c", "d"]) {
          const there = store.listAt(ConfigMaps, seen).find((object) => object.metadata.name === name);
          equal(String(cursor.get(ConfigMaps, "default", name)?.metadata.resourceVersion), String(there?.metadata.resourceVersion), name);
        }
      }
      cursor.close();
    }),
    { numRuns: 60 },
  );
});

t.test("a hundred watchers of a short log each see every change, or are told that they are too late", async (t) => {
  const { store } = await testStore({ logLimit: 50 });
  const abort = new AbortController();
  const counts = Array<number>(100).fill(0);
  const watching = counts.map(async (_, index) => {
    for await (const _event of store.watch(ConfigMaps, { signal: abort.signal })) counts[index] = (counts[index] ?? 0) + 1;
  });
  for (let i = 0; i < 400; i++) {
    await store.create(ConfigMaps, configMap(`m${i}`));
    if (i % 20 === 19) await store.settle();
  }
  await store.settle();
  t.strictSame([...new Set(counts)], [400]);
  await t.rejects(take(store.watch(ConfigMaps, { from: 5 }), 1), { code: 410 });
  abort.abort();
  await Promise.all(watching);
});

function equal(actual: string, expected: string, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${actual} instead of ${expected}`);
}
