// Faults and NetworkPolicies of a whole cluster: by the library, by manifest, by the real kubectl.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { type Cluster, startCluster } from "../../cluster/index.ts";
import { isStatus } from "../../model/errors.ts";
import { missingPrograms, run } from "../support/command.ts";

const SHOP = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{name: http, containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {containers: [{name: c, image: busybox, command: [sleep, infinity]}]}
`;

const FAULT = `
apiVersion: loopkube.dev/v1alpha1
kind: Fault
metadata: {name: down}
spec:
  from: {podSelector: {matchLabels: {app: client}}}
  to: {service: web}
  refuse: true
`;

const POLICY = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-others}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: other}}}], ports: [{port: http}]}]
`;

const URL = "http://web.default.svc.cluster.local/";

async function shop(t: { teardown(stop: () => Promise<void>): void }): Promise<Cluster> {
  const cluster = await startCluster({ seed: 1, nodes: 2, dnsReplicas: 1 });
  t.teardown(() => cluster.stop());
  await cluster.apply(SHOP);
  await cluster.ready();
  await cluster.settle();
  return cluster;
}

const ask = async (cluster: Cluster, from = "pod/client"): Promise<string> => {
  try {
    return String((await cluster.fetch(URL, { from })).status);
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
};

t.test("a fault lasts as long as its handle", async (t) => {
  const cluster = await shop(t);
  t.equal(await ask(cluster), "200");
  {
    await using fault = await cluster.fault({ name: "down", from: "app=client", to: "svc/web", refuse: true });
    t.strictSame([fault.name, fault.liveFlows, fault.unshapedFlows], ["down", 0, 0]);
    t.equal(await ask(cluster), "ECONNREFUSED");
    t.equal(await ask(cluster, "host"), "200", "others are not concerned");
  }
  t.equal(await ask(cluster), "200");
  const slow = await cluster.fault({ to: { namespace: "default", service: "web" }, latency: "25ms" });
  t.match(slow.name, /^fault-/);
  const started = performance.now();
  t.equal(await ask(cluster), "200");
  t.ok(performance.now() - started >= 99, "a handshake and a request, 25 ms each way");
  await slow.remove();
  await slow.remove();
  await t.rejects(cluster.fault({ to: "svc/web" }), { message: /at least one fault is needed: first, partition, refuse/ });
  t.equal(isStatus(await cluster.fault({ latency: "fast" }).catch((error: unknown) => error), "Invalid"), true);
  await t.rejects(cluster.fault({ to: "web", refuse: true }), RangeError);
});

t.test("by manifest", async (t) => {
  const cluster = await shop(t);
  await cluster.apply(FAULT);
  await cluster.settle();
  t.equal(await ask(cluster), "ECONNREFUSED");
  await t.rejects(cluster.apply(FAULT.replace("refuse: true", "reset: lots")), {
    message: /spec\.reset: Invalid value: "lots": must be a percentage/,
  });
});

t.test("kubectl", { skip: missingPrograms("kubectl") }, async (t) => {
  const cluster = await shop(t);
  const folder = t.testdir();
  writeFileSync(join(folder, "config"), cluster.kubeconfig);
  const kubectl = async (args: string, input = ""): Promise<string> => {
    const { stdout, stderr } = await run(`kubectl ${args}`, { env: { KUBECONFIG: join(folder, "config"), HOME: folder }, input });
    return stdout + stderr;
  };
  t.equal(await kubectl("apply -f -", FAULT), "fault.loopkube.dev/down created\n");
  t.match(await kubectl("get faults"), /^NAME +FROM +TO +FAULT +AGE\ndown +app=client +svc\/web +refuse +\d+s\n$/);
  await cluster.settle();
  t.match(await kubectl("get fault down -o jsonpath={.status}"), /"observedGeneration":1/);
  t.equal(await ask(cluster), "ECONNREFUSED");
  t.match(await kubectl("apply -f -", FAULT.replace("refuse: true", "lag: 1s")), /unknown field "spec\.lag"/);
  t.match(
    await kubectl("apply -f -", FAULT.replace("refuse: true", 'latency: "50"')),
    /The Fault "down" is invalid: spec\.latency: Invalid value: "50": must be a duration such as 50ms, 1\.5s or 2m/,
  );
  t.equal(await kubectl("delete fault down"), 'fault.loopkube.dev "down" deleted\n');
  await cluster.settle();
  t.equal(await ask(cluster), "200");

  t.equal(await kubectl("apply -f -", POLICY), "networkpolicy.networking.k8s.io/only-others created\n");
  t.match(await kubectl("get netpol"), /^NAME +POD-SELECTOR +AGE\nonly-others +app=web +\d+s\n$/);
  t.match(
    await kubectl("describe netpol only-others"),
    /PodSelector: +app=web\n +Allowing ingress traffic:\n +To Port: http\/TCP\n +From:\n +PodSelector: app=other\n/,
  );
  const path = `/apis/loopkube.dev/v1alpha1/explain?from=pod/client&to=${encodeURIComponent("http://web/")}`;
  const explained = await kubectl(`get --raw '${path}'`);
  t.match(explained, /NetworkPolicy: denied \(the client times out\)/);
  t.match(
    explained,
    /ingress: default\/only-others selects pod default\/web-[-\w]+, it does not allow TCP\/80 from pod default\/client \(127\.\d+\.\d+\.\d+\)/,
  );
});
