// Structural sharing: equal parts become the very same object, different ones stay as they are.
import fc from "fast-check";
import t from "tap";
import { deepFreeze, draft, equalJson } from "../../model/object.ts";
import { ConfigMaps, Pods } from "../../model/resources.ts";
import { shareParts } from "../../store/sharing.ts";
import { configMap, pod, testStore } from "../support/store.ts";

const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom("a", "b", "", 0, 1, true, null),
    fc.array(tie("value"), { maxLength: 12 }),
    fc.dictionary(fc.constantFrom("name", "ip", "addresses", "spec", "x"), tie("value"), { maxKeys: 4 }),
  ),
})).value;

t.test("never changes a value, and shares a value that is equal", async () => {
  fc.assert(
    fc.property(json, json, (value, model) => {
      deepFreeze(model);
      const before = JSON.stringify(value);
      const shared = shareParts(draft(value), model);
      return JSON.stringify(shared) === before && (!equalJson(value, model) || shared === model);
    }),
  );
});

t.test("list items are found by what names them", async (t) => {
  const endpoints = Array.from({ length: 20 }, (_, i) => ({ addresses: [`127.244.1.${i}`], conditions: { ready: true } }));
  const model = deepFreeze({ endpoints });
  const next = draft(model);
  next.endpoints.splice(3, 1);
  next.endpoints.splice(10, 0, { addresses: ["127.244.2.1"], conditions: { ready: false } });
  const { endpoints: shared } = shareParts(next, model);
  t.equal(shared.length, 20);
  t.equal(shared.filter((endpoint) => model.endpoints.includes(endpoint)).length, 19, "all but the new one");
});

t.test("the store keeps what a write has not changed", async (t) => {
  const { store } = await testStore();
  const first = await store.create(Pods, pod("a"));
  const ready = await store.update(Pods, { ...first, status: { phase: "Running" } }, { subresource: "status" });
  t.equal(ready.spec, first.spec);
  const second = await store.create(Pods, pod("b"));
  t.equal(second.spec, first.spec, "a pod of the same template");
  t.notSame(second.metadata, first.metadata);
  const map = await store.create(ConfigMaps, configMap("m", { k: "v" }));
  t.equal(await store.update(ConfigMaps, configMap("m", { k: "v" })), map, "an update that changes nothing writes nothing");
});
