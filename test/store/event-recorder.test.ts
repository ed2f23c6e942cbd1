import t from "tap";
import { StatusError } from "../../model/errors.ts";
import { Events, Pods } from "../../model/resources.ts";
import { createEventRecorder } from "../../store/event-recorder.ts";
import { pod, testStore } from "../support/store.ts";

t.test("equal events are counted on one object, others get one each, listed in their order", async (t) => {
  const { store, clock } = await testStore();
  const recorder = createEventRecorder({ store, clock, component: "kubelet", host: "n1" });
  const about = await store.create(Pods, pod("web"));
  recorder.event(about, "Normal", "Pulled", "one");
  recorder.event(about, "Warning", "BackOff", "again", "spec.containers{main}");
  await store.settle();
  await clock.advance(5000);
  recorder.event(about, "Warning", "BackOff", "again", "spec.containers{main}");
  recorder.event(about, "Normal", "Started", "two");
  await store.settle();
  t.same(
    store
      .list(Events, { namespace: "default" })
      .map((event) => `${event.reason} x${event.count} ${event.firstTimestamp} ${event.lastTimestamp}`),
    [
      "Pulled x1 2025-01-01T00:00:00Z 2025-01-01T00:00:00Z",
      "BackOff x2 2025-01-01T00:00:00Z 2025-01-01T00:00:05Z",
      "Started x1 2025-01-01T00:00:05Z 2025-01-01T00:00:05Z",
    ],
  );
  t.match(store.list(Events)[1], {
    metadata: { name: /^web\.[0-9a-f]{16}$/, namespace: "default" },
    involvedObject: { kind: "Pod", name: "web", namespace: "default", uid: about.metadata.uid, fieldPath: "spec.containers{main}" },
    source: { component: "kubelet", host: "n1" },
    type: "Warning",
  });
});

t.test("an event that the store refuses is lost without harm", async (t) => {
  const { store, clock } = await testStore();
  const recorder = createEventRecorder({ store, clock, component: "test" });
  recorder.event({ ...pod("x"), metadata: { name: "x".repeat(300) } }, "Normal", "Fine", "still there");
  const refuse = {
    name: "refuse",
    types: [Events],
    admit: ({ object }: { object: { metadata: { name: string } } }) => object.metadata.name.startsWith("bad") && fail(),
  };
  store.admit(refuse);
  recorder.event(pod("bad"), "Normal", "Lost", "never seen");
  recorder.event(pod("good"), "Normal", "Seen", "seen");
  await store.settle();
  t.same(
    store
      .list(Events)
      .map((event) => event.reason)
      .filter((reason) => reason !== "Fine"),
    ["Seen"],
  );
});

function fail(): never {
  throw new StatusError(403, "Forbidden", "no events here");
}
