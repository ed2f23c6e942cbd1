// A cluster with an image that answers HTTP on port 8080, and a Deployment of it.
import { createServer, type IncomingMessage } from "node:http";
import { type Cluster, type ClusterOptions, startCluster } from "../../cluster/index.ts";
import type { ContainerContext, InlineProgram } from "../../model/ports.ts";

/** What a pod of test/hello says to a request. */
export type Greeting = (context: ContainerContext, request: IncomingMessage) => string;

const hello =
  (greeting: Greeting): InlineProgram =>
  async (context) => {
    const server = createServer((request, response) => response.end(greeting(context, request)));
    await using _listening = await context.listen(8080, server);
    await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve(), { once: true }));
    return 0;
  };

/** Starts it; stopped at the test's end. */
export async function startHello(
  t: { teardown(stop: () => Promise<void>): void },
  greeting: Greeting,
  options: ClusterOptions = {},
): Promise<Cluster> {
  const cluster = await startCluster({ seed: 1, images: { "test/hello": { runtime: "inline", program: hello(greeting) } }, ...options });
  t.teardown(() => cluster.stop());
  return cluster;
}

export const helloDeployment = (replicas: number): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: test/hello, ports: [{containerPort: 8080}]}]}
`;
