// A small cluster for tests of workloads: store, fabric, nodes and controllers on a virtual clock, with one inline image.
import { createServer } from "node:http";
import type { Test } from "tap";
import { apiAdmission } from "../../api/index.ts";
import { VirtualClock, type Clock } from "../../model/clock.ts";
import { createIds } from "../../model/ids.ts";
import type { Deployment } from "../../model/kinds/apps-v1.ts";
import type { Container, Event, Namespace, Pod } from "../../model/kinds/core-v1.ts";
import type { ContainerContext, Image, Peer, Resolve } from "../../model/ports.ts";
import { seededRandom } from "../../model/random.ts";
import { Events, Namespaces, Pods } from "../../model/resources.ts";
import { claimClusterIndex, createAddressPlan, createFabric, createPodIpam, type Fabric } from "../../netsim/index.ts";
import { createStore, type Store } from "../../store/index.ts";
import { workloadAdmission } from "../../workloads/admission.ts";
import { programTable, runTool, tools } from "../../workloads/tools/index.ts";
import { assembleWorkloads, type Workloads, type WorkloadsOptions } from "../../workloads/workloads.ts";

export interface TestCluster<C extends Clock = VirtualClock> {
  readonly store: Store;
  readonly clock: C;
  readonly fabric: Fabric;
  readonly workloads: Workloads;
  readonly host: Peer;
}

/** Programs of the image `web`: it serves its name on the first port; HTTP paths are looked up in `answers`. */
export const answers = new Map<string, number>();

async function untilStopped(context: ContainerContext): Promise<void> {
  if (!context.signal.aborted) await new Promise((resolve) => context.signal.addEventListener("abort", resolve, { once: true }));
}

const images: ReadonlyMap<string, Image> = new Map<string, Image>([
  [
    "web",
    {
      runtime: "inline",
      async program(context) {
        const server = createServer((request, response) => {
          response.writeHead(answers.get(`${context.hostname}${request.url}`) ?? answers.get(request.url ?? "") ?? 200, {
            Connection: "close",
          });
          response.end(context.hostname);
        });
        for (const { containerPort } of context.ports) await context.listen(containerPort, server);
        context.stdout.write("listening\n");
        await untilStopped(context);
        return 0;
      },
    },
  ],
  ["stubborn", { runtime: "inline", program: () => new Promise(() => {}) }],
  [
    "tool",
    {
      runtime: "inline",
      program: (context) =>
        runTool(
          context.argv,
          context,
          {
            ...(context.stdin ? { stdin: context.stdin } : {}),
            stdout: context.stdout,
            stderr: context.stderr,
            tty: false,
            signal: context.signal,
          },
          programTable(tools),
        ),
    },
  ],
  ["exit", { runtime: "inline", program: async (context) => Number(context.argv[0] ?? "0") }],
  [
    "crash",
    {
      runtime: "inline",
      program: async () => {
        throw new Error("boom");
      },
    },
  ],
]);

const noResolver: Resolve = {
  query: async () => [],
  lookup: async (_from, _conf, host) => {
    throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND" });
  },
};

export async function testCluster(t: Test, options?: Partial<WorkloadsOptions> & { readonly nodeCount?: number }): Promise<TestCluster>;
export async function testCluster<C extends Clock>(
  t: Test,
  options: Partial<WorkloadsOptions> & { readonly nodeCount?: number; readonly clock: C },
): Promise<TestCluster<C>>;
export async function testCluster(
  t: Test,
  options: Partial<WorkloadsOptions> & { readonly nodeCount?: number } = {},
): Promise<TestCluster<Clock>> {
  const clock = options.clock ?? new VirtualClock();
  const random = seededRandom("workloads-test");
  const claim = await claimClusterIndex();
  const plan = createAddressPlan({ kind: "direct", index: claim.index });
  const count = options.nodeCount ?? 2;
  const nodes = Array.from({ length: count }, (_, index) => ({
    name: index === 0 ? "loopkube-control-plane" : `loopkube-worker${index === 1 ? "" : index}`,
    ip: plan.nodeIp(index),
    podCIDR: plan.podCidrOf(index).toString(),
    controlPlane: index === 0,
  }));
  const store = await createStore({ clock, ids: createIds(random.fork("ids")) });
  const { first, last } = apiAdmission();
  store.admit(...first, ...workloadAdmission({ clock, random }), ...last);
  const fabric = createFabric({ clock, random, plan, nodes });
  const ipam = createPodIpam({ podCidr: plan.pods.toString() });
  const workloads = assembleWorkloads({
    store,
    fabric,
    ipam,
    clock,
    random,
    resolve: noResolver,
    nodes,
    dns: { ip: plan.dnsIp, domain: "cluster.local" },
    findImage: (name) => images.get(name),
    execTool: (command, context, streams) => runTool(command, context, streams, programTable(tools)),
    ...options,
  });
  for (const name of ["default", "kube-system"]) {
    const namespace: Namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name }, spec: {} };
    await store.create(Namespaces, namespace);
  }
  await fabric.start();
  await workloads.start();
  t.teardown(async () => {
    await workloads.stop();
    await fabric.stop();
    await store.close();
    await claim[Symbol.asyncDispose]();
  });
  await store.settle();
  return { store, clock, fabric, workloads, host: { kind: "host", ip: "127.0.0.1" } };
}

/** Lets seconds go by, one at a time: what a second brings is done before the next. */
export async function pass({ store, clock }: TestCluster, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    await clock.advance(1000);
    await store.settle();
  }
}

export function container(image: string, more: Partial<Container> = {}): Container {
  return { name: "main", image, ...more };
}

export function pod(name: string, spec: Partial<Pod["spec"]> = {}, labels: Record<string, string> = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels },
    spec: { containers: [container("web", { ports: [{ containerPort: 80 }] })], ...spec },
  };
}

export function deployment(
  name: string,
  replicas: number,
  more: Partial<Deployment["spec"]> = {},
  spec: Partial<Pod["spec"]> = {},
): Deployment {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default", labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { name: "", labels }, spec: { containers: [container("web", { ports: [{ containerPort: 80 }] })], ...spec } },
      ...more,
    },
  };
}

/** `name phase ready/total restarts`, one line per pod. */
export function podLines(store: Store): string {
  return store
    .list(Pods)
    .map((item) => {
      const statuses = item.status?.containerStatuses ?? [];
      const ready = statuses.filter((status) => status.ready).length;
      const restarts = statuses.reduce((sum, status) => sum + status.restartCount, 0);
      const phase = item.metadata.deletionTimestamp === undefined ? item.status?.phase : "Terminating";
      return `${item.metadata.name} ${phase} ${ready}/${item.spec.containers.length} ${restarts}`;
    })
    .join("\n");
}

/** `type reason xcount message` of an object's events, in order. */
export function eventLines(store: Store, name: string): readonly string[] {
  return store
    .list(Events)
    .filter((event: Event) => event.involvedObject.name === name)
    .toSorted((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion))
    .map((event) => `${event.type} ${event.reason} x${event.count} ${event.message}`);
}
