// A cluster with the pods of these tests: the images `test/line` (inline), `test/line-process` and `test/patient`, and their manifests.
import type { Socket } from "node:net";
import { connect } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Cluster, type ClusterOptions, startCluster } from "../../cluster/index.ts";
import type { ContainerContext, Image, SocketAddress } from "../../model/ports.ts";
import { Pods, Services } from "../../model/resources.ts";
import { until } from "../support/until.ts";
import { createLineServer } from "./line-server.ts";

const aborted = (signal: AbortSignal): Promise<void> =>
  signal.aborted ? Promise.resolve() : new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

async function line(context: ContainerContext): Promise<number> {
  await using _listening = await context.listen(9000, createLineServer(context.hostname));
  await aborted(context.signal);
  return 0;
}

/** After SIGTERM it takes no new connections and ends when the last one has ended. */
async function patient(context: ContainerContext): Promise<number> {
  const server = createLineServer(context.hostname);
  const drained = new Promise<void>((resolve) => server.once("close", () => resolve()));
  await context.listen(9000, server);
  await aborted(context.signal);
  server.close();
  await drained;
  return 0;
}

/** The last argument of every process that this test's pods run. */
export const PROCESS_MARK = `of-${process.pid}`;

const processPod: Image = {
  runtime: "process",
  // The last argument tells this test's processes from those of other tests.
  command: [process.execPath, fileURLToPath(new URL("./process-pod.ts", import.meta.url)), PROCESS_MARK],
  ports: [9000],
};
const images: Readonly<Record<string, Image>> = {
  "test/line": { runtime: "inline", program: line },
  "test/patient": { runtime: "inline", program: patient },
  "test/line-process": processPod,
};

interface Teardown {
  teardown(stop: () => Promise<void>): void;
}

export async function startRobust(t: Teardown, options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await startCluster({ seed: 1, images, nodes: 2, ...options });
  t.teardown(() => cluster.stop());
  return cluster;
}

/** A Deployment and its Service on port 9000. `revision` changes the template, as `kubectl rollout restart` does. */
export function app(name: string, image: string, replicas = 1, revision = 1): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}, annotations: {revision: "${revision}"}}
    spec:
      containers:
        - {name: main, image: ${image}, ports: [{containerPort: 9000}], readinessProbe: {tcpSocket: {port: 9000}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: ${name}}, ports: [{port: 9000}]}
`;
}

/** Where a program of this machine dials a Service. */
export async function socketOf(cluster: Cluster, service: string, port = 9000): Promise<SocketAddress> {
  const ip = cluster.store.get(Services, "default", service)?.spec.clusterIP ?? "";
  await until(() => cluster.fabric.socketOf({ ip, port }, "TCP") !== undefined);
  const socket = cluster.fabric.socketOf({ ip, port }, "TCP");
  if (!socket) throw new Error(`nothing listens for ${service}`);
  return socket;
}

/** A real connection that has sent its purpose. */
export function dial({ ip, port }: SocketAddress, purpose = ""): Promise<Socket> {
  const socket = connect({ host: ip, port, allowHalfOpen: true, noDelay: true });
  socket.on("error", () => {});
  if (purpose !== "") socket.write(purpose);
  return new Promise((resolve, reject) => {
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Everything until FIN, as text, then this end's FIN unless it goes on; rejects with the socket's error. */
export async function textOf(socket: Socket, goesOn = false): Promise<string> {
  let text = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) text += String(chunk);
  if (!goesOn) socket.end();
  return text;
}

/** How a connection ended for its client: "end", "ECONNRESET", … */
export function ending(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once("end", () => resolve("end"));
    socket.once("close", () => resolve("close"));
    socket.resume();
  });
}

/** Pods of an app that are not being deleted. */
export const podsOf = (cluster: Cluster, name: string): readonly string[] =>
  cluster.store
    .list(Pods, { namespace: "default" })
    .filter((pod) => pod.metadata.labels?.["app"] === name && pod.metadata.deletionTimestamp === undefined)
    .map((pod) => pod.metadata.name);

/** Bytes of heap and of buffers outside it, after a full collection. */
export function memoryBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Open descriptors of this process; undefined where /proc is missing. */
export function descriptors(): number | undefined {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return undefined;
  }
}
