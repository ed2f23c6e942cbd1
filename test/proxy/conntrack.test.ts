// Upstream's conntrack clean-up and health check cases (cases/kube-proxy.json names each source).
import t from "tap";
import { readFileSync } from "node:fs";
import type { Service } from "../../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import { compileService, healthAnswer, isStaleUdp, Rules } from "../../proxy/index.ts";

interface Cleanup {
  service: {
    clusterIP: string;
    externalIP: string;
    loadBalancerIP: string;
    ports: { protocol: "TCP" | "UDP" | "SCTP"; port: number; nodePort?: number }[];
  };
  endpoints: { ip: string; port: number; serving: boolean }[];
  entries: {
    protocol: string;
    origDst: string | null;
    origDstPort: number;
    replySrc: string;
    replySrcPort: number;
    kept: boolean;
    why: string;
  }[];
}
interface HealthCase {
  localReadyEndpoints?: number;
  kubeProxyHealthy: boolean;
  expect: { status: number; contentType: string; headers: Record<string, string>; body: unknown };
}
const fixtures = JSON.parse(readFileSync(new URL("cases/kube-proxy.json", import.meta.url), "utf8")) as {
  conntrackCleanup: Cleanup;
  healthCheckNodePortCases: HealthCase[];
};
const { service, endpoints, entries } = fixtures.conntrackCleanup;

function rulesWith(some: Cleanup["endpoints"]): Rules {
  const object: Service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "ns", name: "svc" },
    spec: {
      type: "LoadBalancer",
      clusterIP: service.clusterIP,
      externalIPs: [service.externalIP],
      ports: service.ports.map((port) => ({ ...port, name: port.protocol.toLowerCase() })),
    },
    status: { loadBalancer: { ingress: [{ ip: service.loadBalancerIP }] } },
  };
  const slice: EndpointSlice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { namespace: "ns", name: "svc-1" },
    addressType: "IPv4",
    ports: service.ports.map(({ protocol }) => ({ name: protocol.toLowerCase(), protocol, port: some[0]?.port ?? 9090 })),
    endpoints: some.map(({ ip, serving }) => ({ addresses: [ip], conditions: { ready: serving, serving, terminating: !serving } })),
  };
  const rules = new Rules();
  rules.set("ns/svc", compileService(object, [slice]));
  return rules;
}

t.test(`${entries.length} conntrack entries`, async (t) => {
  const rules = rulesWith(endpoints);
  for (const entry of entries) {
    const destination = { ip: entry.origDst ?? "192.168.0.2", port: entry.origDstPort };
    const stale =
      entry.protocol === "UDP" && isStaleUdp(rules, { destination, endpoint: { ip: entry.replySrc, port: entry.replySrcPort } });
    t.equal(
      !stale,
      entry.kept,
      `${entry.protocol} ${destination.ip}:${destination.port} from ${entry.replySrc}:${entry.replySrcPort}: ${entry.why}`,
    );
  }
});

t.test("a Service without endpoints is cleaned too (upstream issue 139628)", async (t) => {
  t.equal(
    isStaleUdp(rulesWith([]), { destination: { ip: service.clusterIP, port: 8000 }, endpoint: { ip: "10.240.0.4", port: 9090 } }),
    true,
  );
});

t.test("health check answers", async (t) => {
  const cases = fixtures.healthCheckNodePortCases.filter((row) => row.localReadyEndpoints !== undefined);
  for (const { localReadyEndpoints = 0, kubeProxyHealthy, expect } of cases) {
    const { status, headers, body } = healthAnswer({ namespace: "ns1", name: "svc1" }, localReadyEndpoints, kubeProxyHealthy);
    t.equal(status, expect.status);
    t.match(headers, { "Content-Type": expect.contentType, ...expect.headers });
    t.same(JSON.parse(body), expect.body);
  }
});
