// Packet-flow, topology and service-map cases taken from upstream's tables (cases/kube-proxy.json names each source).
import t from "tap";
import { readFileSync } from "node:fs";
import {
  Chooser,
  categorize,
  compileService,
  evaluate,
  type ProxyConfig,
  type ProxyMode,
  Rules,
  serviceOfSlice,
  type NodeView,
} from "../../proxy/index.ts";
import type { ServicePort } from "../../proxy/index.ts";
import { VirtualClock } from "../../model/clock.ts";
import { Cidr } from "../../model/ip.ts";
import type { Service } from "../../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import type { Flow, Peer, Protocol } from "../../model/ports.ts";
import { seededRandom } from "../../model/random.ts";

interface Scenario {
  config: {
    nodeName: string;
    nodeIPs: string[];
    serviceCIDRs: string[];
    nodePortAddresses: string[] | null;
    masqueradeAll: boolean;
    localDetector: boolean;
    localhostNodePorts?: boolean;
  };
  services: Service[];
  endpointSlices: EndpointSlice[];
}
interface Case {
  id: string;
  name: string;
  scenario: string;
  modes: ProxyMode[];
  from: { kind: string; ip: string };
  to: { ip: string; port: number; protocol: Protocol };
  expect: { verdict: string; endpoints: string[]; masquerade?: boolean };
}
interface CategorizeCase {
  name: string;
  service: { internalTrafficPolicy: string; externalTrafficPolicy: string; nodePort: number };
  node: { name: string | null; zone: string | null };
  endpoints: {
    endpoint: string;
    ready: boolean;
    serving: boolean;
    terminating: boolean;
    local: boolean;
    zoneHints?: string[];
    nodeHints?: string[];
  }[];
  expect: { cluster: string[] | null; local: string[] | null; reachable: string[]; hasAnyEndpoints: boolean };
  preferSameTrafficDistribution?: boolean;
}
interface Fixtures {
  scenarios: Record<string, Scenario>;
  cases: Case[];
  categorizeEndpointsCases: CategorizeCase[];
  serviceMapCases: { name: string; ipFamily: string; service: Service; expect: Record<string, unknown>[] }[];
  ipModeCases: { featureGateLoadBalancerIPMode: boolean; ipMode: string | null; expect: { proxyShortCircuitsLBIP: boolean } }[];
}
const fixtures = JSON.parse(readFileSync(new URL("cases/kube-proxy.json", import.meta.url), "utf8")) as Fixtures;

const peerOf = ({ kind, ip }: Case["from"]): Peer =>
  kind === "pod"
    ? { kind, namespace: "default", name: "client", ip, node: "test-node" }
    : kind === "node" || kind === "localhost"
      ? { kind: "node", name: "test-node", ip }
      : { kind: "host", ip };

for (const row of fixtures.cases) {
  const scenario = fixtures.scenarios[row.scenario];
  if (!scenario) throw new Error(`no scenario ${row.scenario}`);
  for (const mode of row.modes) {
    t.test(`${row.id} ${mode}: ${row.name}`, async (t) => {
      const { config } = scenario;
      const rules = new Rules();
      for (const service of scenario.services) {
        const key = `${service.metadata.namespace}/${service.metadata.name}`;
        rules.set(
          key,
          compileService(
            service,
            scenario.endpointSlices.filter((slice) => serviceOfSlice(slice) === key),
          ),
        );
      }
      const node: NodeView = { name: config.nodeName, addresses: config.nodeIPs, zone: "" };
      // Upstream's iptables tests listen on all addresses and on localhost unless a case says otherwise.
      const explicit = mode === "nftables" || config.localhostNodePorts !== undefined;
      const proxyConfig: ProxyConfig = {
        mode,
        serviceCIDRs: config.serviceCIDRs.map((block) => new Cidr(block)),
        clusterCIDRs: [],
        nodePortAddresses: explicit ? config.nodePortAddresses?.map((block) => new Cidr(block)) : undefined,
        masqueradeAll: config.masqueradeAll,
        localDetector: config.localDetector,
        localhostNodePorts: config.localhostNodePorts ?? true,
      };
      const flow: Flow = {
        id: 1,
        protocol: row.to.protocol,
        from: peerOf(row.from),
        source: { ip: row.from.ip, port: 40000 },
        destination: row.to,
        node: "test-node",
      };
      const decision = evaluate(rules, flow, node, proxyConfig);
      const found =
        decision.type === "balance"
          ? { verdict: "DNAT", endpoints: decision.candidates.map((endpoint) => endpoint.id).sort() }
          : {
              verdict: decision.type === "pass" ? (decision.matched.length > 0 ? "ACCEPT" : "NONE") : decision.type.toUpperCase(),
              endpoints: [],
            };
      const comment = { matched: decision.matched };
      t.same(found, { verdict: row.expect.verdict, endpoints: row.expect.endpoints.toSorted() }, comment);
      if (decision.type !== "balance") return;
      const chooser = new Chooser({ mode, random: seededRandom("cases"), clock: new VirtualClock() });
      const choice = chooser.pick(decision.rule, decision.candidates, node.name, row.from.ip);
      t.equal(decision.masquerade || choice?.endpoint.ip === row.from.ip, row.expect.masquerade, "masquerade", comment);
    });
  }
}

for (const row of fixtures.categorizeEndpointsCases) {
  t.test(`endpoint categories: ${row.name}`, async (t) => {
    const nodeName = row.node.name ?? "test-node";
    const service: Service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace: "ns", name: "svc" },
      spec: {
        type: row.service.nodePort ? "NodePort" : "ClusterIP",
        clusterIP: "172.30.0.41",
        internalTrafficPolicy: row.service.internalTrafficPolicy === "Local" ? "Local" : "Cluster",
        externalTrafficPolicy: row.service.externalTrafficPolicy === "Local" ? "Local" : "Cluster",
        ports: [{ port: 80, nodePort: row.service.nodePort }],
      },
    };
    const slice: EndpointSlice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { namespace: "ns", name: "svc-1" },
      addressType: "IPv4",
      ports: [{ port: 80 }],
      endpoints: row.endpoints.map((endpoint) => ({
        addresses: [endpoint.endpoint.replace(/:80$/, "")],
        conditions: { ready: endpoint.ready, serving: endpoint.serving, terminating: endpoint.terminating },
        nodeName: endpoint.local ? nodeName : "elsewhere",
        hints: {
          forZones: (endpoint.zoneHints ?? []).map((name) => ({ name })),
          forNodes: (endpoint.nodeHints ?? []).map((name) => ({ name })),
        },
      })),
    };
    const port = compileService(service, [slice]).ports[0];
    if (!port) return t.fail("no port");
    const sets = categorize(port, { name: nodeName, addresses: [], zone: row.node.zone ?? "" }, row.preferSameTrafficDistribution ?? true);
    const ids = (endpoints: ServicePort["endpoints"] | undefined): string[] | null => endpoints?.map((endpoint) => endpoint.id) ?? null;
    t.same(
      { cluster: ids(sets.cluster), local: ids(sets.local), reachable: ids(sets.reachable), hasAnyEndpoints: port.usable },
      row.expect,
    );
  });
}

for (const row of fixtures.serviceMapCases) {
  t.test(`service map: ${row.name}`, async (t) => {
    const service: Service = { ...row.service, metadata: { namespace: "ns", name: "svc" } };
    const ports = compileService(service, []).ports.filter((port) => port.family === row.ipFamily);
    t.same(
      ports.map((port) => ({
        portName: port.portName,
        clusterIP: port.clusterIP,
        port: port.port,
        protocol: port.protocol,
        healthCheckNodePort: port.healthCheckNodePort,
        externalIPs: port.externalIPs,
        loadBalancerVIPs: port.loadBalancerIPs,
        loadBalancerSourceRanges: port.sourceRanges.map(String),
      })),
      row.expect,
    );
  });
}

for (const row of fixtures.ipModeCases) {
  const title = `ipMode ${row.ipMode}, gate ${row.featureGateLoadBalancerIPMode ? "on" : "off"}`;
  const skip = row.featureGateLoadBalancerIPMode ? false : "the gate is locked to on since 1.32";
  t.test(title, { skip }, async (t) => {
    const ingress = { ip: "1.2.3.4", ...(row.ipMode ? { ipMode: row.ipMode } : {}) };
    const service: Service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace: "ns", name: "svc" },
      spec: { type: "LoadBalancer", clusterIP: "172.30.0.41", ports: [{ port: 80 }] },
      status: { loadBalancer: { ingress: [ingress] } },
    };
    t.equal(compileService(service, []).ports[0]?.loadBalancerIPs.length === 1, row.expect.proxyShortCircuitsLBIP);
  });
}
