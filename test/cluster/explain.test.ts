// Explanations end where the flow ends, and say so.
import t from "tap";
import { createApiClient, startCluster } from "../../cluster/index.ts";
import type { ExplainAnswer } from "../../model/ports.ts";

const OBJECTS = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {selector: {app: none}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, image: nginx}]}
`;

const rows: readonly (readonly [to: string, last: RegExp])[] = [
  ["http://web/", /Delivery|NetworkPolicy: allowed/],
  ["http://web:99/", /verdict: drop \(the client times out\)$/],
  ["http://empty/", /verdict: reject \(connection refused\)$/],
  ["pod/web:80", /reaches pod default\/web at 127\.\d+\.\d+\.\d+:80$/],
  ["pod/web:81", /nothing listens at 127\.\d+\.\d+\.\d+:81: connection refused$/],
  ["http://192.0.2.1/", /is not a cluster address: network is unreachable \(nothing is sent outside\)$/],
  ["http://nope/", /nope has no address: nothing is tried$/],
];

t.test("the last step is the outcome", async (t) => {
  await using cluster = await startCluster({ nodes: 1, seed: 1 });
  await cluster.apply(OBJECTS);
  await cluster.ready();
  using client = createApiClient(cluster.kubeconfig);
  for (const [to, last] of rows) {
    const { steps } = (await client.request(
      "GET",
      `/apis/loopkube.dev/v1alpha1/explain?from=pod/web&to=${encodeURIComponent(to)}`,
    )) as unknown as {
      steps: readonly ExplainAnswer[];
    };
    const step = steps.at(-1);
    t.match(`${step?.title} ${step?.lines.at(-1)}`, last, to, { steps });
  }
});
