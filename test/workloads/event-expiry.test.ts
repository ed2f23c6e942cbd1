import t from "tap";
import { timestamp } from "../../model/clock.ts";
import type { Event } from "../../model/kinds/core-v1.ts";
import { Events } from "../../model/resources.ts";
import { testCluster } from "./support.ts";

const MINUTE_MS = 60_000;

t.test("an Event goes an hour after it was last written", async (t) => {
  const { store, clock } = await testCluster(t);
  const event = (name: string, now: string): Event => ({
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, namespace: "default" },
    involvedObject: { kind: "Pod", namespace: "default", name: "p" },
    reason: "Testing",
    message: name,
    type: "Normal",
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
  });
  const names = (): readonly string[] => store.list(Events, { namespace: "default" }).map(({ metadata }) => metadata.name);
  for (const name of ["again", "once"]) await store.create(Events, event(name, timestamp(clock)));
  await clock.advance(50 * MINUTE_MS);
  await store.mutate(Events, "default", "again", (draft) => void Object.assign(draft, { count: 2, lastTimestamp: timestamp(clock) }));
  await store.settle();
  t.strictSame(names(), ["again", "once"]);
  await clock.advance(12 * MINUTE_MS);
  await store.settle();
  t.strictSame(names(), ["again"]);
  await clock.advance(50 * MINUTE_MS);
  await store.settle();
  t.strictSame(names(), []);
});
