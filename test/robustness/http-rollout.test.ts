// Rollout restarts under HTTP clients that keep their connections: no request fails that a client of a real cluster would not see fail.
import { Agent, request } from "node:http";
import t from "tap";
import type { SocketAddress } from "../../model/ports.ts";
import { podsOf, socketOf, startRobust } from "./robust-cluster.ts";
import { until } from "../support/until.ts";

const web = (revision: number): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {revision: "${revision}"}}
    spec:
      containers: [{name: web, image: "nginx:1.29", ports: [{containerPort: 80}], readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  rules: [{host: web.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
`;

/** `200`, or the error; `reused` failures are those on a connection that the server was closing just then: clients send them again. */
type Outcome = string;

function get({ ip, port }: SocketAddress, agent: Agent): Promise<Outcome> {
  return new Promise((resolve) => {
    const asked = request({ host: ip, port, agent, headers: { host: "web.test" } }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => (bytes += chunk.length));
      response.once("error", (error: NodeJS.ErrnoException) => resolve(`cut short: ${error.code}`));
      response.once("end", () => resolve(bytes === Number(response.headers["content-length"]) ? String(response.statusCode) : "cut short"));
    });
    asked.once("error", (error: NodeJS.ErrnoException) => resolve(asked.reusedSocket ? "reused" : (error.code ?? error.message)));
    asked.end();
  });
}

t.test("rollout restarts under keep-alive clients", async (t) => {
  const cluster = await startRobust(t, { nodes: 3 });
  await cluster.apply(web(1));
  await cluster.ready();
  const status = cluster.status() as unknown as { readonly ingress: { readonly http: string } };
  const [ip = "", port = ""] = status.ingress.http.split(":");
  const ways = { Service: await socketOf(cluster, "web", 80), Ingress: { ip, port: Number(port) } };
  const counts: Record<string, Record<string, number>> = { Service: {}, Ingress: {} };
  let running = true;
  const clients = Object.entries(ways).flatMap(([way, at]) =>
    Array.from({ length: 10 }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const seen = counts[way] ?? {};
      while (running) {
        const outcome = await get(at, agent);
        seen[outcome] = (seen[outcome] ?? 0) + 1;
      }
      agent.destroy();
    }),
  );
  for (const revision of [2, 3, 4]) {
    const old = new Set(podsOf(cluster, "web"));
    await cluster.apply(web(revision));
    await until(() => podsOf(cluster, "web").length === 3 && podsOf(cluster, "web").every((name) => !old.has(name)));
    const { "200": answered = 0 } = counts["Ingress"] ?? {};
    await until(() => (counts["Ingress"]?.["200"] ?? 0) > answered + 50);
  }
  running = false;
  await Promise.all(clients);
  t.comment(JSON.stringify(counts));
  for (const [way, seen] of Object.entries(counts)) {
    t.ok((seen["200"] ?? 0) > 100);
    const failures = Object.keys(seen).filter((outcome) => outcome !== "200" && !(way === "Service" && outcome === "reused"));
    t.strictSame(failures, [], `${way}: nothing fails`);
  }
});
