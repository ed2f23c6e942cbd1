// Writes, conflicts, deletion, admission.
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { createIds } from "../../model/ids.ts";
import { draft } from "../../model/object.ts";
import { seededRandom } from "../../model/random.ts";
import { ConfigMaps, Deployments, Namespaces, Pods } from "../../model/resources.ts";
import { parseLabelSelector } from "../../model/selectors.ts";
import { createStore } from "../../store/index.ts";
import { configMap, pod, testStore } from "../support/store.ts";

t.test("a create gets uid, revision and time, and is frozen", async (t) => {
  const { store } = await testStore();
  const made = await store.create(ConfigMaps, configMap("a", { k: "v" }));
  t.match(made.metadata, { name: "a", namespace: "default", resourceVersion: "2", creationTimestamp: "2025-01-01T00:00:00Z" });
  t.match(made.metadata.uid ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.ok(Object.isFrozen(made.data));
  t.equal(store.get(ConfigMaps, "default", "a"), made);
  await t.rejects(store.create(ConfigMaps, configMap("a")), { message: 'configmaps "a" already exists', code: 409 });
});

t.test("generateName is completed with five safe characters", async (t) => {
  const { store } = await testStore();
  const made = await store.create(ConfigMaps, { ...configMap(""), metadata: { name: "", generateName: "web-", namespace: "default" } });
  t.match(made.metadata.name, /^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
});

t.test("an update needs the current resourceVersion", async (t) => {
  const { store } = await testStore();
  const first = await store.create(ConfigMaps, configMap("a"));
  const second = await store.update(ConfigMaps, { ...draft(first), data: { k: "1" } });
  t.equal(second.metadata.resourceVersion, "3");
  await t.rejects(store.update(ConfigMaps, { ...draft(first), data: { k: "2" } }), {
    message:
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  });
  t.equal(await store.update(ConfigMaps, draft(second)), second, "an update without a change writes nothing");
  t.equal(store.revision, 3);
});

t.test("spec and status are written apart, and only desired state counts generations", async (t) => {
  const { store } = await testStore();
  const selector = { matchLabels: { app: "web" } };
  const template = { metadata: { labels: { app: "web" } }, spec: { containers: [] } };
  const made = await store.create(Deployments, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "default" },
    spec: { selector, template, replicas: 1 },
  });
  t.equal(made.metadata.generation, 1);
  const status = await store.update(
    Deployments,
    { ...draft(made), spec: { ...made.spec, replicas: 9 }, status: { readyReplicas: 1 } },
    { subresource: "status" },
  );
  t.match(status, { spec: { replicas: 1 }, status: { readyReplicas: 1 }, metadata: { generation: 1 } });
  const spec = await store.update(Deployments, { ...draft(status), spec: { ...made.spec, replicas: 3 }, status: {} });
  t.match(spec, { spec: { replicas: 3 }, status: { readyReplicas: 1 }, metadata: { generation: 2 } });
});

t.test("concurrent mutations all succeed", async (t) => {
  const { store } = await testStore();
  await store.create(ConfigMaps, configMap("a", { n: "0" }));
  const add = (): Promise<unknown> =>
    store.mutate(ConfigMaps, "default", "a", (map) => {
      map.data = { n: String(Number(map.data?.["n"]) + 1) };
    });
  await Promise.all(Array.from({ length: 5 }, add));
  t.equal(store.get(ConfigMaps, "default", "a")?.data?.["n"], "5");
});

t.test("lists are sorted and filtered", async (t) => {
  const { store } = await testStore();
  for (const name of ["b", "a", "c"]) await store.create(ConfigMaps, configMap(name, {}, { app: name }));
  await store.create(ConfigMaps, { ...configMap("z"), metadata: { name: "z", namespace: "aaa" } });
  const names = (query: Parameters<typeof store.list>[1]): string =>
    store
      .list(ConfigMaps, query)
      .map((o) => o.metadata.name)
      .join(" ");
  t.equal(names({}), "z a b c");
  t.equal(names({ namespace: "default" }), "a b c");
  t.equal(names({ labels: parseLabelSelector("app in (a, c)") }), "a c");
  t.equal(names({ fields: [{ path: "metadata.name", negated: true, value: "a" }] }), "z b c");
});

t.test("a list of a namespace sees its first object, also after a list of none", async (t) => {
  const { store } = await testStore();
  t.equal(store.list(ConfigMaps, { namespace: "default" }).length, 0);
  await store.create(ConfigMaps, configMap("a"));
  t.equal(store.list(ConfigMaps, { namespace: "default" }).length, 1);
});

t.test("a bound pod is deleted gracefully, an unbound one at once", async (t) => {
  const { store } = await testStore();
  await store.create(Pods, pod("free"));
  await store.create(Pods, pod("bound", { nodeName: "n1", terminationGracePeriodSeconds: 30 }));
  t.equal((await store.delete(Pods, "default", "free")).gone, true);
  const { object, gone } = await store.delete(Pods, "default", "bound");
  t.equal(gone, false);
  t.match(object.metadata, { deletionTimestamp: "2025-01-01T00:00:30Z", deletionGracePeriodSeconds: 30 });
  t.equal((await store.delete(Pods, "default", "bound", { gracePeriodSeconds: 0 })).gone, true);
  await t.rejects(store.delete(Pods, "default", "bound"), { message: 'pods "bound" not found' });
});

t.test("finalizers hold an object until the last one goes", async (t) => {
  const { store } = await testStore();
  await store.create(ConfigMaps, { ...configMap("a"), metadata: { name: "a", namespace: "default", finalizers: ["x/y"] } });
  t.equal((await store.delete(ConfigMaps, "default", "a")).gone, false);
  await store.mutate(ConfigMaps, "default", "a", (map) => void (map.metadata.finalizers = []));
  t.equal(store.get(ConfigMaps, "default", "a"), undefined);
});

t.test("a namespace terminates until it is finalized", async (t) => {
  const { store } = await testStore();
  await store.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "x" }, spec: {} });
  await store.delete(Namespaces, "", "x");
  t.equal(store.get(Namespaces, "", "x")?.status?.phase, "Terminating");
  await store.mutate(Namespaces, "", "x", (ns) => void (ns.spec.finalizers = []), { subresource: "finalize" });
  t.equal(store.get(Namespaces, "", "x"), undefined);
});

t.test("admission edits, refuses, and commits only real writes", async (t) => {
  const { store } = await testStore();
  let committed = 0;
  store.admit({
    name: "test",
    types: [ConfigMaps],
    admit(request, tx) {
      request.object.metadata.labels = { seen: request.operation };
      if (request.object.metadata.name.startsWith("bad")) {
        tx.reject({ type: "Invalid", field: "metadata.name", value: request.object.metadata.name, detail: "is bad" });
        tx.reject({ type: "Required", field: "data" });
      }
      tx.onCommit(() => committed++);
    },
  });
  const dry = await store.create(ConfigMaps, configMap("a"), { dryRun: true });
  t.match(dry.metadata.labels, { seen: "CREATE" });
  t.equal(store.get(ConfigMaps, "default", "a"), undefined);
  t.equal(committed, 0);
  await store.create(ConfigMaps, configMap("a"));
  t.equal(committed, 1);
  await t.rejects(store.create(ConfigMaps, configMap("bad")), {
    message: 'ConfigMap "bad" is invalid: [metadata.name: Invalid value: "bad": is bad, data: Required value]',
    code: 422,
  });
});

t.test("a generated name that is taken is made again", async (t) => {
  const suffixes = ["aaaaa", "aaaaa", "aaaaa", "bbbbb"];
  const ids = { ...createIds(seededRandom(1)), suffix: () => suffixes.shift() ?? "zzzzz" };
  const store = await createStore({ clock: new VirtualClock(), ids });
  const generated = { ...configMap(""), metadata: { name: "", generateName: "g-", namespace: "default" } };
  t.equal((await store.create(ConfigMaps, generated)).metadata.name, "g-aaaaa");
  t.equal((await store.create(ConfigMaps, generated)).metadata.name, "g-bbbbb");
  suffixes.push(...Array<string>(8).fill("bbbbb"));
  await t.rejects(store.create(ConfigMaps, generated), { code: 409, message: 'configmaps "g-bbbbb" already exists' });
});
