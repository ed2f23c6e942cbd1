// The cluster under measurement below HTTP, in a process of its own: three inline pods with the bare server's handler, one with
// it on node:http, a process pod that is the bare server, and an inline pod that echoes datagrams. Over IPC it takes what to switch on or off.
import "../cli/v8-flags.ts";
import { createServer } from "node:http";
import { join } from "node:path";
import { createHttpServer, startCluster } from "../cluster/index.ts";
import type { ContainerContext, Image } from "../model/ports.ts";
import { NetworkPolicies, Pods } from "../model/resources.ts";
import { answer } from "./payload.ts";

/** What the measuring side can switch. */
export type Switch = "policy" | "trace";

export interface L4Addresses {
  /** Of the Services, and of the pod that echoes datagrams; the port is always 8080. */
  readonly inline: string;
  readonly node: string;
  readonly process: string;
  readonly echo: string;
  readonly echoPod: string;
}

const until = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

const web =
  (create: () => Parameters<ContainerContext["listen"]>[1]) =>
  async (context: ContainerContext): Promise<number> => {
    const server = create();
    const listening = await context.listen(8080, server);
    await until(context.signal);
    await listening.close();
    return 0;
  };

async function echo(context: ContainerContext): Promise<number> {
  const listening = await context.listenUdp(8080, (message, _source, reply) => reply(message));
  await until(context.signal);
  await listening.close();
  return 0;
}

const images: Readonly<Record<string, Image>> = {
  "bench/inline": { runtime: "inline", ports: [8080], program: web(() => createHttpServer(answer)) },
  "bench/node": { runtime: "inline", ports: [8080], program: web(() => createServer({ keepAliveTimeout: 60_000 }, answer)) },
  "bench/process": { runtime: "process", ports: [8080], command: [process.execPath, join(import.meta.dirname, "bare-server.ts")] },
  "bench/echo": { runtime: "inline", program: echo },
};

const cluster = await startCluster({ images });

const workload = (name: string, replicas: number, protocol: "TCP" | "UDP"): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: main, image: bench/${name}, ports: [{containerPort: 8080, protocol: ${protocol}}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: ${name}}, ports: [{port: 8080, protocol: ${protocol}}]}
`;
await cluster.apply(
  [workload("inline", 3, "TCP"), workload("node", 1, "TCP"), workload("process", 1, "TCP"), workload("echo", 1, "UDP")].join("---"),
);
await cluster.ready({ timeoutMs: 20_000 });

const POLICY = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: inline}
spec:
  podSelector: {matchLabels: {app: inline}}
  policyTypes: [Ingress]
  ingress: [{from: [{ipBlock: {cidr: 127.0.0.0/8}}], ports: [{port: 8080}]}]
`;

async function turn(what: Switch, on: boolean): Promise<void> {
  if (what === "trace") cluster.fabric.trace.enabled = on;
  else if (on) await cluster.apply(POLICY);
  else if (cluster.store.get(NetworkPolicies, "default", "inline")) await cluster.store.delete(NetworkPolicies, "default", "inline");
  await cluster.settle();
}

process.on("message", async ({ what, on }: { what: Switch; on: boolean }) => {
  await turn(what, on);
  process.send?.("done");
});
process.on("SIGTERM", () => void cluster.stop().then(() => process.exit(0)));

const addressOf = async (name: string): Promise<string> => (await cluster.resolve(`${name}.default.svc.cluster.local`, "A"))[0]?.data ?? "";
const [echoPod] = cluster.store.list(Pods, { namespace: "default" }).filter((pod) => pod.metadata.labels?.["app"] === "echo");
const addresses: L4Addresses = {
  inline: await addressOf("inline"),
  node: await addressOf("node"),
  process: await addressOf("process"),
  echo: await addressOf("echo"),
  echoPod: echoPod?.status?.podIP ?? "",
};
process.send?.(addresses);
