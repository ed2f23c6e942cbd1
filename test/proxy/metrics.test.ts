// kube-proxy's own metrics and health, by node, as a scraper inside the cluster sees them.
import t from "tap";
import { readFileSync } from "node:fs";
import { Nodes } from "../../model/resources.ts";
import { healthzAnswer } from "../../proxy/node-server.ts";
import { endpoint, proxyWorld, type World } from "./proxy-world.ts";
import { readAll } from "../netsim/test-fabric.ts";

interface Row {
  readonly name: string;
  readonly internalTrafficPolicy: string | null;
  readonly externalTrafficPolicy: string | null;
  readonly endpointNodes: readonly string[];
  readonly expect: Readonly<Record<string, { readonly internal: number; readonly external: number }>>;
}
const cases = JSON.parse(readFileSync(new URL("cases/kube-proxy.json", import.meta.url), "utf8")) as { noLocalEndpointsMetricCases: Row[] };

async function get(
  world: World,
  node: number,
  port: number,
  path: string,
): Promise<{ readonly status: number; readonly head: string; readonly body: string }> {
  const socket = await world.fabric.dial(world.host, { ip: world.plan.nodeIp(node), port });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n`);
  const [head = "", ...body] = (await readAll(socket)).split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), head, body: body.join("\r\n\r\n") };
}

const series = (text: string, name: string): readonly string[] => text.split("\n").filter((line) => line.startsWith(name));

for (const row of cases.noLocalEndpointsMetricCases) {
  t.test(`no_local_endpoints_total: ${row.name}`, async (t) => {
    const world = await proxyWorld(t);
    await world.service("web", 5, {
      type: "LoadBalancer",
      ports: [{ port: 80, nodePort: 30_080 }],
      internalTrafficPolicy: row.internalTrafficPolicy === "Local" ? "Local" : "Cluster",
      externalTrafficPolicy: row.externalTrafficPolicy === "Local" ? "Local" : "Cluster",
    });
    await world.endpoints(
      "web",
      row.endpointNodes.map((name, i) => ({
        addresses: [world.pod(name, 10 + i).ip],
        nodeName: name === "test-node" ? "node-0" : `other-${name}`,
      })),
    );
    const text = world.proxy.metricsText("node-0");
    const found = series(text, "kubeproxy_sync_proxy_rules_no_local_endpoints_total");
    const wanted = row.expect["kubeproxy_sync_proxy_rules_no_local_endpoints_total"];
    t.same(found, [
      `kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="external"} ${wanted?.external}`,
      `kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="internal"} ${wanted?.internal}`,
    ]);
  });
}

t.test("ports 10249 and 10256 of each node", async (t) => {
  const world = await proxyWorld(t, { nodeModes: { "node-1": "nftables" } });
  await world.service("web", 5);
  await world.endpoints("web", [endpoint(world.pod("a", 10))]);
  t.equal((await get(world, 0, 10_249, "/proxyMode")).body, "iptables");
  t.equal((await get(world, 1, 10_249, "/proxyMode")).body, "nftables", "a node's own mode");
  const { head, body } = await get(world, 0, 10_249, "/metrics");
  t.match(head, /content-type: text\/plain; version=0\.0\.4; charset=utf-8/i);
  for (const name of ["duration_seconds_count", "last_timestamp_seconds", "last_queued_timestamp_seconds"]) {
    t.equal(series(body, `kubeproxy_sync_proxy_rules_${name}{ip_family="IPv4"}`).length, 1, name);
  }
  t.same(series(body, "kubeproxy_sync_full_proxy_rules_duration_seconds_count"), [
    'kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1',
  ]);
  t.match(series(body, "kubeproxy_sync_proxy_rules_service_changes_total")[0], / 1$/);
  t.match(series(body, "kubeproxy_sync_proxy_rules_endpoint_changes_pending")[0], / 0$/);
  t.equal((await get(world, 0, 10_249, "/elsewhere")).status, 404);

  t.equal((await get(world, 0, 10_256, "/healthz")).status, 200);
  const taints = [{ key: "ToBeDeletedByClusterAutoscaler", effect: "NoSchedule" as const }];
  await world.store.mutate(Nodes, "", "node-0", (draft) => void (draft.spec = { ...draft.spec, taints }));
  await world.store.settle();
  const doomed = await get(world, 0, 10_256, "/healthz");
  t.equal(doomed.status, 503, "about to be deleted");
  t.equal(JSON.parse(doomed.body).nodeEligible, false);
  t.equal((await get(world, 0, 10_256, "/livez")).status, 200, "but alive");
  t.match(world.proxy.metricsText("node-0"), 'kubeproxy_proxy_healthz_total{code="200"} 1\nkubeproxy_proxy_healthz_total{code="503"} 1\n');
  t.equal(await world.askAs(world.host, { ip: world.plan.services.at(5), port: 81 }), "ETIMEDOUT", "node 0 is iptables");
  t.equal(await world.askAs(world.pod("b", 11, 1), { ip: world.plan.services.at(5), port: 81 }), "ECONNREFUSED", "node 1 is nftables");
});

t.test("rules of iptables: all, and those of the last sync", async (t) => {
  const world = await proxyWorld(t, { nodeModes: { "node-1": "nftables" } });
  for (const [name, host] of [
    ["web", 5],
    ["api", 6],
  ] as const) {
    await world.service(name, host);
    await world.endpoints(name, [endpoint(world.pod(name, host + 10))]);
  }
  const found = (node: string): readonly string[] => series(world.proxy.metricsText(node), "kubeproxy_sync_proxy_rules_iptables_");
  // 3 in KUBE-FORWARD and 1 in KUBE-FIREWALL; 4 and the NodePort rule, then for each Service: 1 in KUBE-SERVICES, 1 in KUBE-SVC (no pod block is configured), 2 in KUBE-SEP.
  t.same(found("node-0"), [
    'kubeproxy_sync_proxy_rules_iptables_last{ip_family="IPv4",table="filter"} 4',
    'kubeproxy_sync_proxy_rules_iptables_last{ip_family="IPv4",table="nat"} 10',
    'kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total{ip_family="IPv4"} 0',
    'kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv4"} 0',
    'kubeproxy_sync_proxy_rules_iptables_total{ip_family="IPv4",table="filter"} 4',
    'kubeproxy_sync_proxy_rules_iptables_total{ip_family="IPv4",table="nat"} 13',
  ]);
  t.same(found("node-1"), [], "a node in nftables mode has none");
});

t.test("network programming counts from the trigger time", async (t) => {
  const world = await proxyWorld(t);
  await world.service("web", 5);
  await world.endpoints("web", [], [], {
    "endpoints.kubernetes.io/last-change-trigger-time": new Date(Date.now() - 125_000).toISOString(),
  });
  const found = series(world.proxy.metricsText("node-0"), "kubeproxy_network_programming_duration_seconds_bucket");
  const at = (le: string): string => found.find((line) => line.includes(`le="${le}"`))?.split(" ")[1] ?? "";
  t.same([at("0"), at("120"), at("150"), at("300"), at("+Inf")], ["0", "0", "1", "1", "1"]);
});

t.test("healthz answers", async (t) => {
  const state = { nowMs: Date.UTC(2025, 0, 1), lastSyncMs: Date.UTC(2024, 11, 31), healthy: true, eligible: true };
  t.same(healthzAnswer(state, false), {
    status: 200,
    body: '{"lastUpdated": "2025-01-01 00:00:00.000 +0000 UTC","currentTime": "2025-01-01 00:00:00.000 +0000 UTC", "nodeEligible": true}',
  });
  t.same(healthzAnswer({ ...state, healthy: false }, true), {
    status: 503,
    body: '{"lastUpdated": "2024-12-31 00:00:00.000 +0000 UTC","currentTime": "2025-01-01 00:00:00.000 +0000 UTC"}',
  });
  t.equal(healthzAnswer({ ...state, eligible: false }, false).status, 503);
  t.equal(healthzAnswer({ ...state, eligible: false }, true).status, 200);
});
