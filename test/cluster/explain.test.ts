// Explanations end where the flow ends, and say so.
import t from "tap";
import { type ApiClient, createApiClient, startCluster } from "../../cluster/index.ts";
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

const DENY = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
`;

/** The steps that this path of the explaining API answers with. */
async function explained(client: ApiClient, query: string): Promise<readonly ExplainAnswer[]> {
  const answer = await client.request("GET", `/apis/loopkube.dev/v1alpha1/${query}`);
  return (answer as unknown as { readonly steps: readonly ExplainAnswer[] }).steps;
}

const rows: readonly (readonly [to: string, last: RegExp])[] = [
  ["http://web/", /Delivery|NetworkPolicy: allowed/],
  ["http://web:99/", /verdict: drop \(the client times out\)$/],
  ["http://empty/", /verdict: reject \(connection refused\)$/],
  ["pod/web:80", /reaches pod default\/web at 127\.\d+\.\d+\.\d+:80$/],
  ["pod/web:81", /nothing listens at 127\.\d+\.\d+\.\d+:81: connection refused$/],
  ["http://192.0.2.1/", /is not a cluster address: network is unreachable \(nothing is sent outside\)$/],
  ["http://nope/", /nope has no address: nothing is tried$/],
];

t.test("ports that are published on 127.0.0.1", async (t) => {
  await using cluster = await startCluster({ nodes: 1, seed: 1 });
  await cluster.ready();
  using client = createApiClient(cluster.kubeconfig);
  const status = (await client.request("GET", "/apis/loopkube.dev/v1alpha1/status")) as unknown as {
    cluster: { api: string; dns: string; gateway: string; ingress: { http: string; https: string } };
  };
  const { api, dns, gateway, ingress } = status.cluster;
  const published: readonly (readonly [to: string, expected: RegExp, last: RegExp])[] = [
    [
      `http://${ingress.http}/`,
      /is the Ingress \(HTTP\): its flows go on as if they had arrived at 127\.\d+\.255\.\d+:80$/,
      /verdict: DNAT/,
    ],
    [`https://${ingress.https}/`, /is the Ingress \(HTTPS\): .*:443$/, /verdict: DNAT/],
    [dns, /is cluster DNS: .*:53$/, /verdict: DNAT/],
    [gateway, /is the gateway \(SOCKS5 and HTTP proxy\): it answers itself$/, /it answers itself$/],
    [api, /is the API server: it answers itself$/, /it answers itself$/],
  ];
  for (const [to, expected, last] of published) {
    const steps = await explained(client, `explain?to=${encodeURIComponent(to)}`);
    const lines = steps.flatMap((step) => step.lines);
    t.ok(
      lines.some((line) => expected.test(line)),
      to,
      { lines },
    );
    t.ok(
      lines.some((line) => last.test(line)),
      to,
      { lines },
    );
  }
});

t.test("a denied flow goes no further", async (t) => {
  await using cluster = await startCluster({ nodes: 1, seed: 1 });
  await cluster.apply(OBJECTS);
  await cluster.apply(DENY);
  await cluster.ready();
  using client = createApiClient(cluster.kubeconfig);
  const steps = await explained(client, "explain?to=pod/web:80");
  t.equal(steps.at(-1)?.title, "NetworkPolicy: denied (the client times out)");
});

t.test("the last step is the outcome", async (t) => {
  await using cluster = await startCluster({ nodes: 1, seed: 1 });
  await cluster.apply(OBJECTS);
  await cluster.ready();
  using client = createApiClient(cluster.kubeconfig);
  for (const [to, last] of rows) {
    const steps = await explained(client, `explain?from=pod/web&to=${encodeURIComponent(to)}`);
    const step = steps.at(-1);
    t.match(`${step?.title} ${step?.lines.at(-1)}`, last, to, { steps });
  }
});

t.test("a request through the Ingress whose controller may not reach the pods", async (t) => {
  await using cluster = await startCluster({ nodes: 1, seed: 1 });
  await cluster.apply(`${OBJECTS}---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {ingressClassName: nginx, rules: [{host: web.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
`);
  await cluster.ready();
  using client = createApiClient(cluster.kubeconfig);
  const ask = (query: string): Promise<readonly ExplainAnswer[]> => explained(client, query);
  const request = `request?url=${encodeURIComponent("http://web.example/")}`;
  const flow = `explain?to=${encodeURIComponent("http://web.example/")}`;
  t.match((await ask(request)).at(-1), { title: "answer", lines: [/^the pod sees GET \//] });
  await cluster.apply(DENY);
  await cluster.settle();
  t.match((await ask(request)).slice(-2), [
    { title: "NetworkPolicy: denied (the client times out)", lines: [/^egress: /, /from pod ingress-nginx\/ingress-nginx-controller-/] },
    { title: "answer", lines: ["504 from the controller: no endpoint can be reached"] },
  ]);
  t.match((await ask(flow)).at(-1)?.lines.at(-1), "answer: 504 from the controller: no endpoint can be reached");
});
