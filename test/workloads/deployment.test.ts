import t from "tap";
import { Deployments, Pods, ReplicaSets } from "../../model/resources.ts";
import type { Deployment } from "../../model/kinds/apps-v1.ts";
import type { Store } from "../../store/index.ts";
import { container, deployment, eventLines, podLines, testCluster } from "./support.ts";

const sets = (store: Store): readonly string[] =>
  store
    .list(ReplicaSets)
    .map(
      (set) =>
        `rev ${set.metadata.annotations?.["deployment.kubernetes.io/revision"]}: ${set.spec.replicas}/${set.status?.readyReplicas ?? 0}`,
    )
    .toSorted();

const conditions = (deployment: Deployment | undefined): readonly string[] =>
  (deployment?.status?.conditions ?? []).map(({ type, status, reason, message }) => `${type}=${status} ${reason} ${message}`);

const image =
  (value: string) =>
  (edited: { spec: { template: { spec: { containers: { image?: string }[] } } } }): void => {
    const [first] = edited.spec.template.spec.containers;
    if (first) first.image = value;
  };

t.test("a Deployment rolls out, scales, rolls over to a new template, and back", async (t) => {
  const { store } = await testCluster(t);
  await store.create(Deployments, deployment("web", 3));
  await store.settle();
  const first = store.get(Deployments, "default", "web");
  t.match(first?.status, {
    replicas: 3,
    updatedReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    observedGeneration: 1,
  });
  t.notOk("unavailableReplicas" in (first?.status ?? {}), "a count of none is not written");
  const [set] = store.list(ReplicaSets);
  t.match(conditions(first), [
    "Available=True MinimumReplicasAvailable Deployment has minimum availability.",
    `Progressing=True NewReplicaSetAvailable ReplicaSet "${set?.metadata.name}" has successfully progressed.`,
  ]);
  t.match(set?.metadata.name, /^web-[bcdf-hj-np-tv-z2456789]{7,10}$/);
  t.equal(first?.metadata.annotations?.["deployment.kubernetes.io/revision"], "1");
  t.same(eventLines(store, "web"), [`Normal ScalingReplicaSet x1 Scaled up replica set ${set?.metadata.name} from 0 to 3`]);

  await store.mutate(Deployments, "default", "web", (edited) => void (edited.spec.replicas = 5));
  await store.settle();
  t.same(sets(store), ["rev 1: 5/5"]);

  await store.mutate(Deployments, "default", "web", image("tool"));
  await store.mutate(Deployments, "default", "web", (edited) => {
    const [main] = edited.spec.template.spec.containers;
    if (main) Object.assign(main, { image: "web", env: [{ name: "COLOR", value: "blue" }] });
  });
  await store.settle();
  t.same(
    sets(store).filter((line) => !line.includes(": 0/")),
    ["rev 2: 5/5"],
  );

  await store.mutate(Deployments, "default", "web", (edited) => {
    const [main] = edited.spec.template.spec.containers;
    if (main) delete main.env;
  });
  await store.settle();
  t.same(sets(store), ["rev 2: 0/0", "rev 3: 5/5"]);
  t.equal(store.get(Deployments, "default", "web")?.metadata.annotations?.["deployment.kubernetes.io/revision"], "3");
  t.equal(
    store.list(ReplicaSets).find((candidate) => candidate.spec.replicas === 5)?.metadata.annotations?.[
      "deployment.kubernetes.io/revision-history"
    ],
    "1",
  );
});

t.test("a rollout to an image that never becomes ready keeps what is available, and times out", async (t) => {
  const { store, clock } = await testCluster(t, { strictImages: true });
  await store.create(Deployments, deployment("web", 4, { progressDeadlineSeconds: 60 }));
  await store.settle();
  await store.mutate(Deployments, "default", "web", image("nowhere"));
  await store.settle();
  const rolling = store.get(Deployments, "default", "web");
  t.match(rolling?.status, { replicas: 5, updatedReplicas: 2, availableReplicas: 3, unavailableReplicas: 2 });
  t.match(podLines(store), /Pending 0\/1 0/);
  await clock.advance(62_000);
  await store.settle();
  t.match(
    conditions(store.get(Deployments, "default", "web")).at(-1),
    /^Progressing=False ProgressDeadlineExceeded ReplicaSet "web-.*" has timed out progressing\.$/,
  );
});

t.test("Recreate waits for the old pods to be gone; paused waits for its user", async (t) => {
  const { store, clock } = await testCluster(t);
  await store.create(
    Deployments,
    deployment("r", 2, { strategy: { type: "Recreate" } }, { containers: [container("stubborn")], terminationGracePeriodSeconds: 5 }),
  );
  await store.settle();
  await store.mutate(Deployments, "default", "r", image("web"));
  await store.settle();
  t.equal(store.list(ReplicaSets).length, 1);
  t.equal(store.get(Deployments, "default", "r")?.status?.updatedReplicas, undefined);
  await clock.advance(5001);
  await store.settle();
  t.match(store.get(Deployments, "default", "r")?.status, { updatedReplicas: 2, availableReplicas: 2 });

  await store.mutate(Deployments, "default", "r", (edited) => void (edited.spec.paused = true));
  await store.mutate(Deployments, "default", "r", image("exit"));
  await store.settle();
  t.equal(store.list(ReplicaSets).length, 2);
  t.match(conditions(store.get(Deployments, "default", "r")), [/Available/, "Progressing=Unknown DeploymentPaused Deployment is paused"]);
});

t.test("deleting a Deployment takes its ReplicaSets and pods along; orphaning leaves them", async (t) => {
  const { store } = await testCluster(t);
  for (const name of ["bg", "fg", "or"]) await store.create(Deployments, deployment(name, 2));
  await store.settle();
  await store.delete(Deployments, "default", "bg", { propagationPolicy: "Background" });
  await store.delete(Deployments, "default", "fg", { propagationPolicy: "Foreground" });
  await store.delete(Deployments, "default", "or", { propagationPolicy: "Orphan" });
  await store.settle();
  t.same(store.list(Deployments), []);
  t.same(
    store.list(ReplicaSets).map((set) => set.metadata.name.slice(0, 2)),
    ["or"],
  );
  t.equal(store.list(Pods).length, 2);
  t.same(store.list(ReplicaSets)[0]?.metadata.ownerReferences ?? [], []);
});

t.test("pods that are refused are tried again at ever longer times, with one event", async (t) => {
  const { store, clock } = await testCluster(t);
  await store.create(Deployments, deployment("web", 2, {}, { serviceAccountName: "none" }));
  await store.settle();
  const refusals = (): readonly string[] => eventLines(store, store.list(ReplicaSets)[0]?.metadata.name ?? "");
  const before = store.revision;
  const name = store.list(ReplicaSets)[0]?.metadata.name ?? "";
  const why = 'is forbidden: error looking up service account default/none: serviceaccount "none" not found';
  t.match(refusals(), [new RegExp(`^Warning FailedCreate x\\d Error creating: pods "${name}-" ${why}$`)]);
  await clock.advance(1000);
  await store.settle();
  t.equal(refusals().length, 1);
  t.ok(store.revision - before < 20, `${store.revision - before} writes in a second`);
});
