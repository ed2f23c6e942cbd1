// The library: start, apply, settle, fetch, resolve, stop; several clusters at once; the same seed gives the same cluster.
import t, { type Test } from "tap";
import { type Cluster, type ClusterOptions, startCluster } from "../../cluster/index.ts";
import { EndpointSlices, EndpointsResource, Pods, Services } from "../../model/resources.ts";
import { isStatus } from "../../model/errors.ts";
import { helloDeployment, startHello } from "./hello-cluster.ts";

const WEB = `${helloDeployment(3)}---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: client, image: busybox, command: [sleep, infinity]}]}
`;

const start = (t: Test, options: ClusterOptions = {}): Promise<Cluster> =>
  startHello(t, ({ hostname }, { socket }) => `${hostname} saw ${socket.remoteAddress}`, options);

t.test("apply, ready, fetch by Service name, resolve", async (t) => {
  const cluster = await start(t);
  const applied = await cluster.apply(WEB);
  t.strictSame(
    applied.map(({ name }) => name),
    ["deployment.apps/web", "service/web", "pod/client"],
  );
  await cluster.ready();
  const client = cluster.store.get(Pods, "default", "client")?.status?.podIP;
  const answers = new Set<string>();
  for (let i = 0; i < 40; i++) {
    const answer = await cluster.fetch("http://web/", { from: "pod/client" });
    t.equal(answer.status, 200);
    const [pod = "", peer] = (await answer.text()).split(" saw ");
    t.equal(peer, client, "a pod's source address is kept through a ClusterIP");
    answers.add(pod);
  }
  t.equal(answers.size, 3, "connections are spread over the pods");
  const clusterIp = cluster.store.get(Services, "default", "web")?.spec.clusterIP;
  t.match(await cluster.resolve("web.default.svc.cluster.local"), [{ type: "A", data: clusterIp }]);
  t.strictSame(await cluster.resolve("nope.default.svc.cluster.local"), []);
  const ofApi = cluster.store
    .list(EndpointSlices, { namespace: "default" })
    .filter(({ metadata }) => metadata.name.startsWith("kubernetes"));
  t.strictSame(
    cluster.store.get(EndpointsResource, "default", "kubernetes")?.subsets?.flatMap(({ addresses = [] }) => addresses.map(({ ip }) => ip)),
    ofApi.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses)),
    "the API's own Endpoints, which are not mirrored",
  );
});

t.test("scaling to none refuses, scaling up answers again", async (t) => {
  const cluster = await start(t);
  await cluster.apply(WEB);
  await cluster.ready();
  await cluster.apply(WEB.replace("replicas: 3", "replicas: 0"));
  await cluster.settle();
  await t.rejects(cluster.fetch("http://web/"), { code: "ECONNREFUSED" });
  await cluster.apply(WEB.replace("replicas: 3", "replicas: 1"));
  await cluster.ready();
  t.equal((await cluster.fetch("http://web/")).status, 200);
});

t.test("NodePorts: their range, and the node addresses at which they answer", async (t) => {
  const cluster = await start(t, { nodes: 2, nodePortRange: { first: 20000, last: 20010 } });
  await cluster.apply(WEB.replace("spec: {selector: {app: web},", "spec: {type: NodePort, selector: {app: web},"));
  await cluster.ready();
  const port = cluster.store.get(Services, "default", "web")?.spec.ports?.[0]?.nodePort ?? 0;
  t.ok(port >= 20000 && port <= 20010, "is from the range");
  for (const node of cluster.nodes) t.equal((await cluster.fetch(`http://${node.ip}:${port}/`)).status, 200);
});

t.test("NodePorts answer at the given node addresses only", async (t) => {
  const first = await start(t, { nodes: 2, nodePortAddresses: ["127.0.0.0/9"] });
  await first.apply(WEB.replace("spec: {selector: {app: web},", "spec: {type: NodePort, selector: {app: web},"));
  await first.ready();
  const port = first.store.get(Services, "default", "web")?.spec.ports?.[0]?.nodePort ?? 0;
  t.equal((await first.fetch(`http://${first.nodes[0]?.ip}:${port}/`)).status, 200);
  const other = await start(t, { nodes: 2, nodePortAddresses: ["127.200.0.0/16"] });
  await other.apply(WEB.replace("spec: {selector: {app: web},", "spec: {type: NodePort, selector: {app: web},"));
  await other.ready();
  const closed = other.store.get(Services, "default", "web")?.spec.ports?.[0]?.nodePort ?? 0;
  await t.rejects(other.fetch(`http://${other.nodes[0]?.ip}:${closed}/`), { code: "ECONNREFUSED" });
  const both = { message: 'node port addresses are "primary" or address blocks, not both' };
  await t.rejects(startCluster({ nodePortAddresses: ["primary", "127.0.0.0/9"] }), both);
});

t.test("manifests that cannot be read name their line", async (t) => {
  const cluster = await start(t, { nodes: 1 });
  await t.rejects(cluster.apply("apiVersion: v1\nkind: [\n"), { name: "ManifestError", message: /^manifest:\d+: / });
  await t.rejects(cluster.apply("\n\nfoo: bar\n"), { message: "manifest:3: not a Kubernetes object: apiVersion and kind are required" });
  await t.rejects(cluster.apply("apiVersion: v1\nkind: Nope\nmetadata: {name: x}"), {
    message: 'manifest:1: no matches for kind "Nope" in version "v1"',
  });
  await t.rejects(cluster.apply("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {prots: []}"), {
    message: /^manifest:1: .*\.spec\.prots: field not declared in schema$/,
  });
});

t.test("clusters live side by side, each with its own addresses, in both address plans", async (t) => {
  const [direct, mapped] = await Promise.all([start(t, { nodes: 1 }), start(t, { nodes: 1, addressPlan: "mapped" })]);
  t.not(direct.status()["index"], mapped.status()["index"]);
  for (const cluster of [direct, mapped]) {
    await cluster.apply(WEB);
    await cluster.ready();
    t.equal((await cluster.fetch("http://web.default/", { from: "pod/client" })).status, 200);
  }
});

t.test("clusters that start together take different indices", async (t) => {
  const clusters = await Promise.all(Array.from({ length: 4 }, () => start(t, { nodes: 1 })));
  t.equal(new Set(clusters.map((cluster) => cluster.status()["index"])).size, 4);
});

t.test("the same seed gives the same names and addresses", async (t) => {
  const namesOf = async (): Promise<readonly string[]> => {
    await using cluster = await startCluster({ seed: "twice", nodes: 2 });
    await cluster.settle();
    return cluster.store.list(Pods).map((pod) => `${pod.metadata.name} ${pod.spec.nodeName}`);
  };
  t.strictSame(await namesOf(), await namesOf());
});

t.test("a client that is not there, and options that cannot be", async (t) => {
  const cluster = await start(t, { nodes: 1 });
  await t.rejects(cluster.fetch("http://web/", { from: "pod/nobody" }), { message: 'pods "nobody" not found' });
  const error = await cluster.fetch("http://web/", { from: "pod/nobody" }).catch((reason: unknown) => reason);
  t.ok(isStatus(error, "NotFound"));
  await t.rejects(startCluster({ serviceCidr: "10.96.0.0/16", addressPlan: "direct" }), { name: "RangeError", message: /not loopback/ });
});

t.test("nothing is left behind", async (t) => {
  const cluster = await start(t, { nodes: 2 });
  await cluster.apply(WEB);
  await cluster.ready();
  await cluster.stop();
  await cluster.stop();
  t.strictSame(
    process.getActiveResourcesInfo().filter((name) => /TCPServer|TCPSocket|UDP/.test(name)),
    [],
  );
});
