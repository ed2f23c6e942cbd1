import t from "tap";
import { ConfigMaps, Deployments, Leases, Namespaces, Nodes, Pods, ServiceAccounts } from "../../model/resources.ts";
import { container, deployment, pod, testCluster } from "./support.ts";

t.test("a namespace has its ServiceAccount and CA; deleted, it is emptied and goes", async (t) => {
  const { store, clock } = await testCluster(t, { caCertificate: "PEM" });
  await store.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" }, spec: {} });
  await store.settle();
  t.equal(store.get(Namespaces, "", "shop")?.metadata.labels?.["kubernetes.io/metadata.name"], "shop");
  t.ok(store.get(ServiceAccounts, "shop", "default"));
  t.equal(store.get(ConfigMaps, "shop", "kube-root-ca.crt")?.data?.["ca.crt"], "PEM");
  await store.delete(ConfigMaps, "shop", "kube-root-ca.crt");
  await store.settle();
  t.ok(store.get(ConfigMaps, "shop", "kube-root-ca.crt"), "it comes back");

  const slow = deployment("slow", 2, {}, { containers: [container("stubborn")], terminationGracePeriodSeconds: 3 });
  await store.create(Deployments, { ...slow, metadata: { ...slow.metadata, namespace: "shop" } });
  await store.settle();
  await store.delete(Namespaces, "", "shop");
  await store.settle();
  t.match(store.get(Namespaces, "", "shop")?.status, {
    phase: "Terminating",
    conditions: [{ type: "NamespaceContentRemaining", message: "Some resources are remaining: pods. has 2 resource instances" }],
  });
  await t.rejects(store.create(ConfigMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x", namespace: "shop" } }), {
    message: 'configmaps "x" is forbidden: unable to create new content in namespace shop because it is being terminated',
  });
  await clock.advance(3001);
  await store.settle();
  t.equal(store.get(Namespaces, "", "shop"), undefined);
  t.same(store.list(Pods), []);
  await t.rejects(store.create(Pods, { ...pod("x"), metadata: { name: "x", namespace: "shop" } }), {
    message: 'namespaces "shop" not found',
  });
  await t.rejects(store.delete(Namespaces, "", "default", { external: true }), {
    message: 'namespaces "default" is forbidden: this namespace may not be deleted',
  });
});

t.test("nodes are registered Ready, the control plane tainted beside workers, and renew their leases", async (t) => {
  const { store, clock } = await testCluster(t, { nodeCount: 2 });
  const [control, worker] = store.list(Nodes);
  t.match(control, {
    metadata: { labels: { "node-role.kubernetes.io/control-plane": "", "kubernetes.io/hostname": "loopkube-control-plane" } },
    spec: { taints: [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }] },
  });
  t.match(worker?.spec.podCIDR, /^127\.\d+\.1\.0\/24$/);
  t.match(worker?.status, {
    addresses: [{ type: "InternalIP", address: /^127\.\d+\.0\.3$/ }, { type: "Hostname" }],
    nodeInfo: { kubeletVersion: "v1.33.4" },
  });
  t.equal(worker?.status?.conditions?.find((condition) => condition.type === "Ready")?.status, "True");
  const renewed = (): string | undefined => store.get(Leases, "kube-node-lease", "loopkube-worker")?.spec.renewTime;
  const first = renewed();
  await clock.advance(10_000);
  await store.settle();
  t.not(renewed(), first);
});

t.test("pods get what admission gives them", async (t) => {
  const { store } = await testCluster(t);
  const created = await store.create(Pods, pod("a"));
  t.match(created.spec, {
    priority: 0,
    preemptionPolicy: "PreemptLowerPriority",
    enableServiceLinks: true,
    serviceAccountName: "default",
    tolerations: [
      { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
      { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
    ],
    volumes: [{ name: /^kube-api-access-[a-z0-9]{5}$/, projected: { sources: [{ serviceAccountToken: { path: "token" } }, {}, {}] } }],
    containers: [{ volumeMounts: [{ mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true }] }],
  });
  t.match(created.status, { phase: "Pending", qosClass: "BestEffort" });
  await t.rejects(store.create(Pods, pod("b", { serviceAccountName: "none" })), {
    message: 'pods "b" is forbidden: error looking up service account default/none: serviceaccount "none" not found',
  });
  await t.rejects(store.create(Pods, pod("b", { priorityClassName: "high" })), {
    message: 'pods "b" is forbidden: no PriorityClass with name high was found',
  });
});
