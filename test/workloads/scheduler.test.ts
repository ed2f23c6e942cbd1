import t from "tap";
import { Deployments, Nodes, Pods } from "../../model/resources.ts";
import type { Node, Pod } from "../../model/kinds/core-v1.ts";
import { refusal, tolerates } from "../../workloads/scheduling/filters.ts";
import { NodeInfo } from "../../workloads/scheduling/node-info.ts";
import { quantityValue } from "../../workloads/scheduling/quantity.ts";
import { unschedulableMessage } from "../../workloads/scheduling/scheduler.ts";
import { container, deployment, eventLines, pod, testCluster } from "./support.ts";

const node = (name: string, spec: Node["spec"] = {}, labels: Record<string, string> = {}): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, labels: { "kubernetes.io/hostname": name, ...labels } },
  spec,
  status: { allocatable: { cpu: "1", memory: "1Gi", pods: "3" } },
});
const requests = (cpu: string) => ({ containers: [container("web", { resources: { requests: { cpu } } })] });
const near = (topologyKey: string) => [{ topologyKey, labelSelector: { matchLabels: { app: "a" } } }];

t.test("a node's refusal of a pod", (t) => {
  const resident = pod("r", requests("600m"), { app: "a" });
  const rows: readonly (readonly [what: string, pod: Pod, node: Node, residents: readonly Pod[], reasons: string])[] = [
    ["nothing against it", pod("p"), node("n"), [], ""],
    ["cordoned", pod("p"), node("n", { unschedulable: true }), [], "node(s) were unschedulable"],
    [
      "taint",
      pod("p"),
      node("n", { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] }),
      [],
      "node(s) had untolerated taint {k: v}",
    ],
    [
      "tolerated",
      pod("p", { tolerations: [{ key: "k", operator: "Exists" }] }),
      node("n", { taints: [{ key: "k", effect: "NoExecute" }] }),
      [],
      "",
    ],
    ["selector", pod("p", { nodeSelector: { disk: "ssd" } }), node("n"), [], "node(s) didn't match Pod's node affinity/selector"],
    ["selector fits", pod("p", { nodeSelector: { disk: "ssd" } }), node("n", {}, { disk: "ssd" }), [], ""],
    ["cpu", pod("p", requests("500m")), node("n"), [resident], "Insufficient cpu"],
    ["cpu fits", pod("p", requests("400m")), node("n"), [resident], ""],
    ["pods", pod("p"), node("n"), [resident, resident, resident], "Too many pods"],
    [
      "host port",
      pod("p", { containers: [container("web", { ports: [{ containerPort: 1, hostPort: 80 }] })] }),
      node("n"),
      [pod("q", { containers: [container("web", { ports: [{ containerPort: 2, hostPort: 80 }] })] })],
      "node(s) didn't have free ports for the requested pod ports",
    ],
    [
      "anti-affinity",
      pod("p", { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: near("kubernetes.io/hostname") } } }),
      node("n"),
      [resident],
      "node(s) didn't match pod anti-affinity rules",
    ],
    [
      "affinity",
      pod("p", { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: near("kubernetes.io/hostname") } } }),
      node("n"),
      [],
      "node(s) didn't match pod affinity rules",
    ],
    [
      "affinity fits",
      pod("p", { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: near("kubernetes.io/hostname") } } }),
      node("n"),
      [resident],
      "",
    ],
    [
      "first of its group",
      pod(
        "p",
        { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: near("kubernetes.io/hostname") } } },
        { app: "a" },
      ),
      node("n"),
      [],
      "",
    ],
  ];
  for (const [what, wanted, on, residents, reasons] of rows) {
    const info = new NodeInfo(on);
    for (const other of residents) info.add(other);
    t.equal(refusal(wanted, info, [info]).join("; "), reasons, what);
  }
  t.notOk(tolerates({ key: "k", value: "a" }, { key: "k", value: "b", effect: "NoSchedule" }));
  t.same(["250m", "1", "1Gi", "1e3", "0.5", "x"].map(quantityValue), [0.25, 1, 2 ** 30, 1000, 0.5, 0]);
  t.end();
});

t.test("why no node can take a pod, in upstream's words", (t) => {
  t.equal(unschedulableMessage([]), "no nodes available to schedule pods");
  t.equal(
    unschedulableMessage([
      ["node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"],
      ["Insufficient cpu"],
      ["Insufficient cpu"],
    ]),
    "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu. preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.",
  );
  t.end();
});

t.test("pods of one owner are spread; one that fits nowhere waits until a node changes", async (t) => {
  const { store } = await testCluster(t, { nodeCount: 4 });
  await store.create(Deployments, deployment("m", 6));
  await store.create(Pods, pod("ssd", { nodeSelector: { disk: "ssd" } }));
  await store.settle();
  const perNode = Map.groupBy(
    store.list(Pods).filter((item) => item.metadata.name.startsWith("m-")),
    (item) => item.spec.nodeName,
  );
  t.same([...perNode].map(([name, members]) => `${name} ${members.length}`).toSorted(), [
    "loopkube-worker 2",
    "loopkube-worker2 2",
    "loopkube-worker3 2",
  ]);
  t.same(eventLines(store, "ssd"), [
    "Warning FailedScheduling x1 0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 3 node(s) didn't match Pod's node affinity/selector. preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling.",
  ]);
  await store.mutate(Nodes, "", "loopkube-worker2", (edited) => void (edited.metadata.labels = { ...edited.metadata.labels, disk: "ssd" }));
  await store.settle();
  t.equal(store.get(Pods, "default", "ssd")?.spec.nodeName, "loopkube-worker2");
});
