// The cluster whose Ingress is measured, in a process of its own: hosts inline.example and process.example. Over IPC it tells its memory.
// Started as the command is.
import "../bin/lean-http.mjs";
import "../cli/v8-flags.ts";
import { join } from "node:path";
import { createHttpServer, startCluster } from "../cluster/index.ts";
import type { ContainerContext } from "../model/ports.ts";
import { answerIngress } from "./ingress-pod.ts";

async function web(context: ContainerContext): Promise<number> {
  const listening = await context.listen(8080, createHttpServer(answerIngress));
  await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve(), { once: true }));
  await listening.close();
  return 0;
}

const cluster = await startCluster({
  nodes: 1,
  images: {
    "bench/inline": { runtime: "inline", ports: [8080], program: web },
    "bench/process": { runtime: "process", ports: [8080], command: [process.execPath, join(import.meta.dirname, "ingress-pod.ts")] },
  },
});
const manifests = ["inline", "process"].map(
  (name) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${name === "inline" ? 3 : 1}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: web, image: bench/${name}, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: ${name}}, ports: [{port: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ${name}, annotations: {nginx.ingress.kubernetes.io/proxy-body-size: "0"}}
spec:
  ingressClassName: nginx
  rules: [{host: ${name}.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: ${name}, port: {number: 8080}}}}]}}]
`,
);
// As the nginx beside it, which would close after 1,000 requests, too.
const kept = `
apiVersion: v1
kind: ConfigMap
metadata: {namespace: ingress-nginx, name: ingress-nginx-controller}
data: {keep-alive-requests: "100000000"}
`;
await cluster.apply([kept, ...manifests].join("---"));
await cluster.ready({ timeoutMs: 60_000 });
process.send?.({ status: cluster.status() });
process.on("message", () => process.send?.({ rssBytes: process.memoryUsage.rss() }));
process.on("SIGTERM", () => void cluster.stop().then(() => process.exit(0)));
