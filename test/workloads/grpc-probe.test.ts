// gRPC probes against a real HTTP/2 server in the pod.
import { createServer, type ServerHttp2Stream } from "node:http2";
import t from "tap";
import { realClock } from "../../model/clock.ts";
import type { Image } from "../../model/ports.ts";
import { Pods } from "../../model/resources.ts";
import { builtInImages } from "../../workloads/images/index.ts";
import { eventually } from "../support/until.ts";
import { container, eventLines, pod, podLines, testCluster } from "./support.ts";

/** Answers each named service with its status, and others as an unimplemented method. */
const answers = new Map([
  ["", 1],
  ["cart", 1],
  ["down", 2],
]);

const health: Image = {
  runtime: "inline",
  async program(context) {
    const server = createServer();
    server.on("stream", (stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const request = Buffer.concat(chunks);
        const service = request.subarray(7).toString();
        const status = headers[":path"] === "/grpc.health.v1.Health/Check" ? answers.get(service) : undefined;
        if (service === "silent") return;
        if (status === undefined) {
          stream.respond(
            { ":status": 200, "content-type": "application/grpc", "grpc-status": "12", "grpc-message": "unknown service" },
            { endStream: true },
          );
          return;
        }
        stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.end(Buffer.from([0, 0, 0, 0, 2, 8, status]));
      });
    });
    const listening = await context.listen(9000, server);
    await new Promise((resolve) => context.signal.addEventListener("abort", resolve, { once: true }));
    await listening.close();
    return 0;
  },
};

t.test("the answer decides; upstream's words for what went wrong", async (t) => {
  const { store } = await testCluster(t, { clock: realClock, images: [new Map([...builtInImages, ["health", health]])] });
  const agnhost = ["grpc-health-checking", "--delay-unhealthy-sec=0"];
  const rows = [
    ["plain", { port: 9000 }, "1/1", undefined],
    ["named", { port: 9000, service: "cart" }, "1/1", undefined],
    ["down", { port: 9000, service: "down" }, "0/1", 'service unhealthy (responded with "NOT_SERVING")'],
    [
      "other",
      { port: 9000, service: "other" },
      "0/1",
      "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service",
    ],
    ["silent", { port: 9000, service: "silent" }, "0/1", "timeout: health rpc did not complete within 1s"],
    ["etcd", { port: 2379 }, "1/1", undefined, { image: "etcd" }],
    [
      "etcd-named",
      { port: 2379, service: "kv" },
      "0/1",
      "error: health rpc probe failed: rpc error: code = 5 desc = unknown service",
      { image: "etcd" },
    ],
    ["agnhost", { port: 5000 }, "1/1", undefined, { image: "agnhost", args: ["grpc-health-checking"] }],
    ["agnhost-late", { port: 5000 }, "0/1", 'service unhealthy (responded with "NOT_SERVING")', { image: "agnhost", args: agnhost }],
    ["nobody", { port: 9001 }, "0/1", /^timeout: failed to connect service "127\.\d+\.1\.\d+:9001" within 1s: context deadline exceeded$/],
  ] as const;
  for (const [name, grpc, , output, more = {}] of rows) {
    const timeoutSeconds = String(output).includes("within 1s") ? 1 : 60;
    await store.create(
      Pods,
      pod(name, {
        containers: [container("health", { readinessProbe: { grpc, periodSeconds: 60, timeoutSeconds }, ...more })],
        terminationGracePeriodSeconds: 0,
      }),
    );
    await eventually(`a probe of ${name}`, () => {
      const ready = podLines(store).includes(`${name} Running 1/1`);
      return ready || eventLines(store, name).some((line) => line.includes("Unhealthy")) || undefined;
    });
    await store.settle();
    const told = eventLines(store, name)
      .find((line) => line.includes("Unhealthy"))
      ?.replace("Warning Unhealthy x1 Readiness probe failed: ", "");
    t.match({ name, told }, { name, told: output }, name);
  }
  for (const [name, , ready] of rows) t.match(podLines(store), new RegExp(`^${name} Running ${ready} 0$`, "m"));
});
