// DaemonSets: one pod per node that can have one, and how they are replaced. Source: kubernetes test/e2e/apps/daemon_set.go and the
// DaemonSet pages.
import t from "tap";
import type { DaemonSet } from "../../model/kinds/apps-v1.ts";
import type { PodSpec } from "../../model/kinds/core-v1.ts";
import { ControllerRevisions, DaemonSets, Nodes, Pods } from "../../model/resources.ts";
import type { Store } from "../../store/index.ts";
import { container, eventLines, pass, testCluster } from "./support.ts";

function daemonSet(spec: Partial<PodSpec> = {}, more: Partial<DaemonSet["spec"]> = {}): DaemonSet {
  const labels = { app: "agent" };
  const containers = [container("web", { ports: [{ containerPort: 80 }] })];
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "agent", namespace: "default" },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers, ...spec } },
      ...more,
    },
  };
}

/** `node color`, sorted, of the pods that are not being deleted. */
const places = (store: Store): readonly string[] =>
  store
    .list(Pods)
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ spec }) => `${spec.nodeName?.replace("loopkube-", "")} ${spec.containers[0]?.env?.[0]?.value ?? "-"}`)
    .toSorted();
const status = (store: Store): unknown => store.get(DaemonSets, "default", "agent")?.status;
const paint = (store: Store, color: string): Promise<unknown> =>
  store.mutate(DaemonSets, "default", "agent", ({ spec }) => {
    Object.assign(spec.template.spec?.containers[0] ?? {}, { env: [{ name: "COLOR", value: color }] });
  });

t.test("one pod on every node that its taints and labels allow", async (t) => {
  const made = await testCluster(t, { nodeCount: 4 });
  const { store } = made;
  await store.create(DaemonSets, daemonSet());
  await pass(made, 2);
  t.same(places(store), ["worker -", "worker2 -", "worker3 -"], "the control plane's taint is not tolerated");
  t.match(status(store), {
    desiredNumberScheduled: 3,
    currentNumberScheduled: 3,
    numberReady: 3,
    numberAvailable: 3,
    numberMisscheduled: 0,
  });
  const [pod] = store.list(Pods);
  t.match(
    pod?.spec.tolerations?.map(({ key }) => key),
    [
      "node.kubernetes.io/not-ready",
      "node.kubernetes.io/unreachable",
      "node.kubernetes.io/disk-pressure",
      "node.kubernetes.io/memory-pressure",
      "node.kubernetes.io/pid-pressure",
      "node.kubernetes.io/unschedulable",
    ],
  );
  t.match(pod?.metadata.labels, { "pod-template-generation": "1", "controller-revision-hash": /^[a-z0-9]+$/ });
  t.equal(eventLines(store, "agent").filter((line) => line.startsWith("Normal SuccessfulCreate x1 Created pod: agent-")).length, 3);

  await store.mutate(Nodes, "", "loopkube-worker2", (node) => void (node.spec.unschedulable = true));
  await pass(made, 1);
  t.equal(places(store).length, 3, "a cordoned node keeps its daemon");
  await store.delete(Pods, "default", store.list(Pods).find(({ spec }) => spec.nodeName === "loopkube-worker2")?.metadata.name ?? "");
  await pass(made, 2);
  t.equal(places(store).length, 3, "and gets a new one");

  await store.mutate(
    DaemonSets,
    "default",
    "agent",
    (set) => void Object.assign(set.spec.template.spec ?? {}, { nodeSelector: { disk: "ssd" } }),
  );
  await store.mutate(Nodes, "", "loopkube-worker3", (node) => void (node.metadata.labels = { ...node.metadata.labels, disk: "ssd" }));
  await pass(made, 3);
  t.same(places(store), ["worker3 -"]);
  await store.mutate(Nodes, "", "loopkube-worker", (node) => void (node.metadata.labels = { ...node.metadata.labels, disk: "ssd" }));
  await pass(made, 2);
  t.same(places(store), ["worker -", "worker3 -"], "a label brings a node in");
});

t.test("a rolling update keeps all but maxUnavailable", async (t) => {
  const made = await testCluster(t, { nodeCount: 4 });
  const { store } = made;
  const readinessProbe = { httpGet: { port: 80, path: "/" }, initialDelaySeconds: 2, periodSeconds: 1 };
  await store.create(DaemonSets, daemonSet({ containers: [container("web", { ports: [{ containerPort: 80 }], readinessProbe })] }));
  await pass(made, 4);
  await paint(store, "blue");
  const seen: string[] = [];
  for (let second = 0; second < 15; second++) {
    await pass(made, 1);
    seen.push(
      places(store)
        .map((place) => place.split(" ")[1])
        .join(""),
    );
  }
  t.same(
    [...new Set(seen)].filter((each) => each.length >= 2),
    seen.filter((each, i) => seen.indexOf(each) === i),
    "one is missing at most",
  );
  t.same(places(store), ["worker blue", "worker2 blue", "worker3 blue"]);
  t.match(status(store), { updatedNumberScheduled: 3, numberAvailable: 3 });
  t.equal(store.list(ControllerRevisions).length, 2);
  t.match(store.get(DaemonSets, "default", "agent")?.metadata.annotations, { "deprecated.daemonset.template.generation": "2" });
});

t.test("with maxSurge the new pod is there before the old one goes", async (t) => {
  const made = await testCluster(t, { nodeCount: 2 });
  const { store } = made;
  await store.create(
    DaemonSets,
    daemonSet({}, { updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } }),
  );
  await pass(made, 2);
  const before = store.list(Pods)[0]?.metadata.name;
  await paint(store, "green");
  await pass(made, 3);
  t.same(places(store), ["worker green"]);
  const order = eventLines(store, "agent").filter((line) => !line.includes(`Created pod: ${before}`));
  t.match(order, [/SuccessfulCreate/, `Normal SuccessfulDelete x1 Deleted pod: ${before}`]);
});

t.test("OnDelete changes a pod only when somebody deletes it", async (t) => {
  const made = await testCluster(t, { nodeCount: 3 });
  const { store } = made;
  await store.create(DaemonSets, daemonSet({}, { updateStrategy: { type: "OnDelete" } }));
  await pass(made, 2);
  await paint(store, "red");
  await pass(made, 3);
  t.same(places(store), ["worker -", "worker2 -"]);
  await store.delete(Pods, "default", store.list(Pods).find(({ spec }) => spec.nodeName === "loopkube-worker")?.metadata.name ?? "");
  await pass(made, 3);
  t.same(places(store), ["worker red", "worker2 -"]);
});

t.test("a daemon that has failed is made anew", async (t) => {
  const made = await testCluster(t, { nodeCount: 2 });
  const { store } = made;
  await store.create(DaemonSets, daemonSet());
  await pass(made, 1);
  const [pod] = store.list(Pods);
  if (pod) await store.update(Pods, { ...pod, status: { ...pod.status, phase: "Failed" } }, { subresource: "status" });
  await pass(made, 3);
  t.equal(store.list(Pods).length, 1);
  t.not(store.list(Pods)[0]?.metadata.name, pod?.metadata.name);
  t.match(
    eventLines(store, "agent").join("\n"),
    /Warning FailedDaemonPod x1 Found failed daemon pod default\/agent-\w+ on node loopkube-worker, will try to kill it/,
  );
});
