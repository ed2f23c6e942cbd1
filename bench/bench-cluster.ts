// The cluster under measurement, in a process of its own: an inline image that serves the same handler as the bare server.
import "../cli/v8-flags.ts";
import { createHttpServer, startCluster } from "../cluster/index.ts";
import type { Image } from "../model/ports.ts";
import { PAYLOAD } from "./payload.ts";

const image: Image = {
  runtime: "inline",
  ports: [8080],
  async program(context) {
    const server = createHttpServer((_request, response) => {
      response.setHeader("content-type", "text/plain");
      response.setHeader("content-length", PAYLOAD.length);
      response.end(PAYLOAD);
    });
    const listening = await context.listen(8080, server);
    await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve(), { once: true }));
    await listening.close();
    return 0;
  },
};

const cluster = await startCluster({ nodes: Number(process.env["NODES"] ?? 3), images: { "bench/web": image } });
await cluster.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${process.env["REPLICAS"] ?? "3"}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: bench/web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  rules: [{host: web.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 8080}}}}]}}]
`);
await cluster.ready({ timeoutMs: 60_000 });
process.send?.({ status: cluster.status(), service: await cluster.resolve("web.default.svc.cluster.local", "A") });
process.on("SIGTERM", () => void cluster.stop().then(() => process.exit(0)));
