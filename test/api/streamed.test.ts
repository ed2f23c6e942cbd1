// Streamed answers that are larger than any socket's buffer arrive whole.
import t from "tap";
import { createApiClient } from "../../cluster/api-client.ts";
import { startCluster } from "../../cluster/index.ts";

const endless = new AbortController().signal;

t.test("a trace of thousands of hops ends, and has all of them", async (t) => {
  await using cluster = await startCluster({ nodes: 1, seed: 1 });
  for (let flow = 0; flow < 4096; flow++) cluster.fabric.trace.record(flow, "test", "dial", "x".repeat(100));
  using client = createApiClient(cluster.kubeconfig);
  let lines = 0;
  for await (const line of client.lines("/apis/loopkube.dev/v1alpha1/trace", endless)) if (line.includes('"test"')) lines++;
  t.ok(lines > 4000, `${lines} hops`);
});

t.test("a watch that begins with thousands of objects brings each of them", async (t) => {
  await using cluster = await startCluster({ nodes: 1, seed: 1 });
  using client = createApiClient(cluster.kubeconfig);
  const count = 1500;
  for (let i = 0; i < count; i++) {
    const metadata = { name: `map-${i}` };
    await client.request("POST", "/api/v1/namespaces/default/configmaps", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata,
      data: { text: "x".repeat(200) },
    });
  }
  let seen = 0;
  for await (const line of client.lines("/api/v1/namespaces/default/configmaps?watch=true", endless)) {
    if (line.includes('"map-') && ++seen === count) break;
  }
  t.equal(seen, count);
});
