// A store, a fabric and the policy component: pods that echo, policies and faults as objects. Virtual clock with the mapped plan, or
// the machine's clock with real sockets.
import { createServer } from "node:net";
import type { Duplex } from "node:stream";
import { parse } from "yaml";
import { type Clock, nextTurn, realClock, VirtualClock } from "../../model/clock.ts";
import { createIds } from "../../model/ids.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { FaultSpec } from "../../model/kinds/loopkube-v1alpha1.ts";
import type { NetworkPolicySpec } from "../../model/kinds/networking-v1.ts";
import { draft } from "../../model/object.ts";
import type { ExplainQuestion, Peer, SocketAddress } from "../../model/ports.ts";
import { seededRandom } from "../../model/random.ts";
import { Faults, Namespaces, NetworkPolicies, Pods } from "../../model/resources.ts";
import { createAddressPlan, createFabric, type Fabric } from "../../netsim/index.ts";
import { createPolicy, faultAdmission, type Policy } from "../../policy/index.ts";
import { createStore, type Store } from "../../store/index.ts";
import { type PodPeer, testFabric } from "../netsim/test-fabric.ts";

export interface PolicyWorld {
  readonly store: Store;
  readonly fabric: Fabric;
  readonly policy: Policy;
  /** A running pod with these labels. */
  pod(name: string, host: number, labels: Readonly<Record<string, string>>, namespace?: string): Promise<PodPeer>;
  /** It echoes on the port, TCP and UDP. */
  echo(pod: PodPeer, port: number): Promise<SocketAddress>;
  networkPolicy(name: string, yaml: string): Promise<void>;
  remove(name: string): Promise<void>;
  fault(name: string, spec: FaultSpec): Promise<void>;
  removeFault(name: string): Promise<void>;
  explain(from: Peer, to: SocketAddress): Promise<readonly string[]>;
}

interface Teardown {
  teardown(callback: () => Promise<void>): void;
}

/** On the virtual clock, with in-memory flows only. */
export async function virtualWorld(
  t: Teardown,
  seed = "policy",
): Promise<PolicyWorld & { readonly clock: VirtualClock; pass(ms: number): Promise<void> }> {
  const clock = new VirtualClock();
  const plan = createAddressPlan({ kind: "mapped", index: 0 });
  const nodes = [0, 1].map((i) => ({ name: `node-${i}`, ip: plan.nodeIp(i) }));
  const fabric = createFabric({ clock, random: seededRandom(seed), plan, nodes });
  await fabric.start();
  t.teardown(() => fabric.stop());
  const world = await policyWorld(t, { clock, fabric, seed, podIp: (host) => plan.podCidrOf(0).at(host) });
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 8; i++) await nextTurn();
  };
  const pass = async (ms: number): Promise<void> => {
    await turns();
    for (let i = 0; i < ms; i++) {
      await clock.advance(1);
      await turns();
    }
  };
  return { ...world, clock, pass };
}

/** On the machine's clock, with real sockets. */
export async function realWorld(t: Teardown): Promise<PolicyWorld> {
  const { fabric, plan } = await testFabric(t);
  return policyWorld(t, { clock: realClock, fabric, seed: "policy", podIp: (host) => plan.podCidrOf(0).at(host) });
}

interface Parts {
  readonly clock: Clock;
  readonly fabric: Fabric;
  readonly seed: string;
  readonly podIp: (host: number) => string;
}

async function policyWorld(t: Teardown, { clock, fabric, seed, podIp }: Parts): Promise<PolicyWorld> {
  const store = await createStore({ clock, ids: createIds(seededRandom(seed)) });
  store.admit(faultAdmission());
  for (const name of ["default", "shop"]) {
    await store.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { name } }, spec: {} });
  }
  const policy = createPolicy({ store, fabric, clock, random: seededRandom(seed) });
  await policy.start();
  t.teardown(async () => {
    await policy.stop();
    await store.close();
  });
  return {
    store,
    fabric,
    policy,
    async pod(name, host, labels, namespace = "default") {
      const ip = podIp(host);
      const pod: Pod = {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace, labels },
        spec: { nodeName: "node-0", containers: [{ name: "c", ports: [{ name: "http", containerPort: 80 }] }] },
      };
      const created = draft(await store.create(Pods, pod));
      created.status = { phase: "Running", podIP: ip };
      await store.update(Pods, created, { subresource: "status" });
      await store.settle();
      return { kind: "pod", namespace, name, ip, node: "node-0" };
    },
    async echo(pod, port) {
      const server = createServer((socket: Duplex) => {
        socket.on("error", () => {});
        socket.pipe(socket);
      });
      await fabric.expose({ ip: pod.ip, port }, "UDP", { type: "datagram", handler: (message, _source, reply) => reply(message) }, pod);
      return (await fabric.expose({ ip: pod.ip, port }, "TCP", { type: "server", server }, pod)).address;
    },
    async networkPolicy(name, yaml) {
      const spec = parse(yaml) as NetworkPolicySpec;
      const metadata = { name, namespace: "default" };
      await store.create(NetworkPolicies, { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec });
      await store.settle();
    },
    async remove(name) {
      await store.delete(NetworkPolicies, "default", name);
      await store.settle();
    },
    async fault(name, spec) {
      await store.create(Faults, { apiVersion: "loopkube.dev/v1alpha1", kind: "Fault", metadata: { name }, spec });
      await store.settle();
    },
    async removeFault(name) {
      await store.delete(Faults, "", name);
      await store.settle();
    },
    async explain(from, { ip, port }) {
      const question: ExplainQuestion = { from, to: `${ip}:${port}`, host: ip, port, protocol: "TCP", ip };
      const answers = await Promise.all(policy.diagnostics.map((each) => each.explain?.(question)));
      return answers.flatMap((answer) => (answer ? [answer.title, ...answer.lines.map((line) => `  ${line}`)] : []));
    },
  };
}
