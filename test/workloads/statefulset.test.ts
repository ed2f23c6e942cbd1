// StatefulSets: names that last, order, partitions, revisions, claims. Source of the expectations: the StatefulSet basics tutorial and
// kubernetes test/e2e/apps/statefulset.go.
import t, { type Test } from "tap";
import type { StatefulSet } from "../../model/kinds/apps-v1.ts";
import type { Draft } from "../../model/object.ts";
import { ControllerRevisions, PersistentVolumeClaims, Pods, StatefulSets } from "../../model/resources.ts";
import type { Store } from "../../store/index.ts";
import { answers, container, eventLines, pass, podLines, testCluster, type TestCluster } from "./support.ts";

function statefulSet(more: Partial<StatefulSet["spec"]> = {}): StatefulSet {
  const labels = { app: "db" };
  const readinessProbe = { httpGet: { port: 80, path: "/ready" }, periodSeconds: 1 };
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: "db", namespace: "default" },
    spec: {
      serviceName: "db",
      replicas: 3,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container("web", { ports: [{ containerPort: 80 }], readinessProbe })] } },
      ...more,
    },
  };
}

const names = (store: Store): string =>
  store
    .list(Pods)
    .map((pod) => pod.metadata.name)
    .join(" ");
const colors = (store: Store): string =>
  store
    .list(Pods)
    .map((pod) => pod.spec.containers[0]?.env?.[0]?.value ?? "-")
    .join(" ");
const mutate = (store: Store, edit: (spec: Draft<StatefulSet>["spec"]) => void): Promise<unknown> =>
  store.mutate(StatefulSets, "default", "db", (edited) => edit(edited.spec));
const paint = (store: Store, color: string): Promise<unknown> =>
  mutate(store, (spec) => Object.assign(spec.template.spec?.containers[0] ?? {}, { env: [{ name: "COLOR", value: color }] }));

/** A cluster with the set, whose pods are not ready before they are let. */
async function cluster(t: Test, more: Partial<StatefulSet["spec"]> = {}): Promise<TestCluster> {
  answers.clear();
  t.teardown(() => answers.clear());
  const made = await testCluster(t);
  await made.store.create(StatefulSets, statefulSet(more));
  await made.store.settle();
  return made;
}

t.test("one pod after the other, each when the one before is ready; away in reverse", async (t) => {
  answers.set("/ready", 503);
  const made = await testCluster(t);
  const { store } = made;
  t.teardown(() => answers.clear());
  await store.create(StatefulSets, statefulSet());
  await pass(made, 3);
  t.equal(podLines(store), "db-0 Running 0/1 0");
  answers.set("db-0/ready", 200);
  await pass(made, 3);
  t.equal(podLines(store), "db-0 Running 1/1 0\ndb-1 Running 0/1 0");
  answers.clear();
  await pass(made, 5);
  t.equal(podLines(store), "db-0 Running 1/1 0\ndb-1 Running 1/1 0\ndb-2 Running 1/1 0");
  const [first] = store.list(Pods);
  t.match(first?.metadata.labels, { "statefulset.kubernetes.io/pod-name": "db-0", "apps.kubernetes.io/pod-index": "0" });
  t.match(first?.spec, { hostname: "db-0", subdomain: "db" });
  t.match(store.get(StatefulSets, "default", "db")?.status, {
    replicas: 3,
    readyReplicas: 3,
    currentReplicas: 3,
    updatedReplicas: 3,
    availableReplicas: 3,
    observedGeneration: 1,
  });
  t.same(
    eventLines(store, "db"),
    [0, 1, 2].map((i) => `Normal SuccessfulCreate x1 create Pod db-${i} in StatefulSet db successful`),
  );

  await mutate(store, (spec) => void (spec.replicas = 1));
  await pass(made, 5);
  t.equal(names(store), "db-0");
  t.same(
    eventLines(store, "db").slice(3),
    [2, 1].map((i) => `Normal SuccessfulDelete x1 delete Pod db-${i} in StatefulSet db successful`),
  );
});

t.test("a deleted pod comes back under its name", async (t) => {
  const made = await cluster(t);
  const { store } = made;
  await pass(made, 5);
  const uid = store.get(Pods, "default", "db-1")?.metadata.uid;
  await store.delete(Pods, "default", "db-1");
  await store.settle();
  t.equal(names(store), "db-0 db-2");
  await made.clock.advance(999);
  await store.settle();
  t.equal(names(store), "db-0 db-2", "the name rests, so that kubectl delete sees the pod gone");
  await pass(made, 35);
  t.equal(names(store), "db-0 db-1 db-2");
  t.not(store.get(Pods, "default", "db-1")?.metadata.uid, uid);
});

t.test("Parallel waits for nobody, and starts where it is told", async (t) => {
  answers.set("/ready", 503);
  const made = await testCluster(t);
  const { store } = made;
  t.teardown(() => answers.clear());
  await store.create(StatefulSets, statefulSet({ podManagementPolicy: "Parallel", ordinals: { start: 5 } }));
  await pass(made, 2);
  t.equal(podLines(store), "db-5 Running 0/1 0\ndb-6 Running 0/1 0\ndb-7 Running 0/1 0");
});

t.test("a rolling update goes down from the highest ordinal to the partition, and back", async (t) => {
  const made = await cluster(t, { updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 2 } } });
  const { store } = made;
  await pass(made, 5);
  await paint(store, "blue");
  await pass(made, 60);
  t.equal(colors(store), "- - blue");
  const { currentRevision, updateRevision } = store.get(StatefulSets, "default", "db")?.status ?? {};
  t.not(currentRevision, updateRevision);
  t.match(store.get(StatefulSets, "default", "db")?.status, { currentReplicas: 2, updatedReplicas: 1 });

  await store.delete(Pods, "default", "db-0");
  await pass(made, 60);
  t.equal(colors(store), "- - blue", "below the partition a pod is made from the revision that is being left");

  await mutate(store, (spec) => void (spec.updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 0 } }));
  await pass(made, 120);
  t.equal(colors(store), "blue blue blue");
  t.match(store.get(StatefulSets, "default", "db")?.status, { currentRevision: updateRevision, currentReplicas: 3 });

  await mutate(store, (spec) => void delete spec.template.spec?.containers[0]?.env);
  await pass(made, 120);
  t.equal(colors(store), "- - -");
  t.same(
    store
      .list(ControllerRevisions)
      .map(({ metadata, revision }) => [metadata.name === updateRevision ? "blue" : "plain", revision])
      .toSorted(),
    [
      ["blue", 2],
      ["plain", 3],
    ],
    "the old revision is the newest again",
  );
});

t.test("OnDelete changes a pod only when somebody deletes it", async (t) => {
  const made = await cluster(t, { updateStrategy: { type: "OnDelete" } });
  const { store } = made;
  await pass(made, 5);
  await paint(store, "red");
  await pass(made, 60);
  t.equal(colors(store), "- - -");
  await store.delete(Pods, "default", "db-1");
  await pass(made, 60);
  t.equal(colors(store), "- red -");
});

t.test("claims are bound, mounted, and outlive pods and set", async (t) => {
  const claim = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "data" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
  } as const;
  const labels = { app: "db" };
  const command = ["sh", "-c", "cat /data/* ; hostname >> /data/log; sleep infinity"];
  const template = {
    metadata: { labels },
    spec: { containers: [container("tool", { args: command, volumeMounts: [{ name: "data", mountPath: "/data" }] })] },
  };
  const made = await cluster(t, { replicas: 2, template, volumeClaimTemplates: [claim] });
  const { store, workloads } = made;
  await pass(made, 5);
  t.same(
    store.list(PersistentVolumeClaims).map(({ metadata, spec, status }) => `${metadata.name} ${status?.phase} ${spec.storageClassName}`),
    ["data-db-0 Bound standard", "data-db-1 Bound standard"],
  );
  t.match(store.list(Pods)[1]?.spec.volumes, [{ name: "data", persistentVolumeClaim: { claimName: "data-db-1" } }]);
  await store.delete(Pods, "default", "db-1");
  await pass(made, 60);
  const [, pod] = store.list(Pods);
  let text = "";
  if (pod)
    for await (const part of workloads.streams.logs(pod, "main", {
      follow: false,
      previous: false,
      timestamps: false,
      signal: new AbortController().signal,
    }))
      text += part;
  t.equal(text, "db-1\n", "it finds what the pod before it wrote");
  await store.delete(StatefulSets, "default", "db");
  await pass(made, 60);
  t.equal(names(store), "");
  t.equal(store.list(PersistentVolumeClaims).length, 2);
});

t.test("pods and revisions that an orphaning delete left behind are adopted", async (t) => {
  const made = await cluster(t);
  const { store } = made;
  await pass(made, 5);
  const uids = (): readonly string[] => store.list(Pods).map((pod) => pod.metadata.uid ?? "");
  const before = uids();
  await store.delete(StatefulSets, "default", "db", { propagationPolicy: "Orphan" });
  await pass(made, 5);
  t.same(uids(), before);
  await store.create(StatefulSets, statefulSet({ replicas: 2 }));
  await pass(made, 60);
  t.same(uids(), before.slice(0, 2), "adopted, and one too many taken away");
  t.equal(store.list(ControllerRevisions).length, 1);
});
