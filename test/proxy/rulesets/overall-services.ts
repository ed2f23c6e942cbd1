// Six Services that between them use every kind of chain: those of upstream's TestOverallNFTablesRules and TestOverallIPTablesRules.
import { Chooser, compileService, type NodeView, type ProxyConfig, Rules } from "../../../proxy/index.ts";
import { VirtualClock } from "../../../model/clock.ts";
import { Cidr } from "../../../model/ip.ts";
import type { Service, ServiceSpec } from "../../../model/kinds/core-v1.ts";
import type { Endpoint, EndpointSlice } from "../../../model/kinds/discovery-v1.ts";
import { seededRandom } from "../../../model/random.ts";
import type { RulesetInput } from "../../../proxy/rulesets/port-plan.ts";
import { proxyConfig } from "../proxy-config.ts";

const node: NodeView = { name: "test-node", addresses: ["192.168.0.2"], zone: "" };
const config: ProxyConfig = {
  ...proxyConfig,
  mode: "nftables",
  serviceCIDRs: [new Cidr("172.30.0.0/16")],
  clusterCIDRs: [new Cidr("10.0.0.0/8")],
};

export const chooser = new Chooser({ mode: "ipvs", clock: new VirtualClock(), random: seededRandom("rulesets") });

export function service(index: number, spec: ServiceSpec, ingress: readonly string[] = []): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: `ns${index}`, name: `svc${index}` },
    spec: { clusterIP: `172.30.0.4${index}`, ports: [{ name: "p80", port: 80, protocol: "TCP" }], ...spec },
    status: { loadBalancer: { ingress: ingress.map((ip) => ({ ip })) } },
  };
}

export function slice(endpoints: readonly Endpoint[]): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "slice" },
    addressType: "IPv4",
    endpoints,
    ports: [{ name: "p80", port: 80, protocol: "TCP" }],
  };
}

const nodePort = (number: number): ServiceSpec["ports"] => [{ name: "p80", port: 80, protocol: "TCP", nodePort: number }];

/** A node's rules. */
export function overall(overrides: Partial<ProxyConfig> = {}, sourceRanges: readonly string[] = [" 203.0.113.0/25"]): RulesetInput {
  const rules = new Rules();
  const add = (object: Service, endpoints: readonly Endpoint[]): void =>
    void rules.set(`${object.metadata.namespace}/${object.metadata.name}`, compileService(object, [slice(endpoints)]));
  add(service(1, {}), [{ addresses: ["10.180.0.1"] }]);
  add(
    service(
      2,
      {
        type: "LoadBalancer",
        externalTrafficPolicy: "Local",
        externalIPs: ["192.168.99.22"],
        healthCheckNodePort: 30000,
        ports: nodePort(3001) ?? [],
      },
      ["1.2.3.4"],
    ),
    [{ addresses: ["10.180.0.2"] }],
  );
  add(service(3, { type: "NodePort", ports: nodePort(3003) ?? [] }), [{ addresses: ["10.180.0.3"] }]);
  add(service(4, { type: "NodePort", externalIPs: ["192.168.99.33"] }), [
    { addresses: ["10.180.0.4"] },
    { addresses: ["10.180.0.5"], nodeName: "test-node" },
  ]);
  add(
    service(
      5,
      {
        type: "LoadBalancer",
        ports: nodePort(3002) ?? [],
        sessionAffinity: "ClientIP",
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
        loadBalancerSourceRanges: sourceRanges,
      },
      ["5.6.7.8"],
    ),
    [{ addresses: ["10.180.0.3"] }],
  );
  add(service(6, {}), []);
  return { rules, node, config: { ...config, ...overrides } };
}

/** A dual-stack load balancer with TCP, UDP and SCTP on one port, Local for both policies, with and without local endpoints. */
export function dualStack(): RulesetInput {
  const rules = new Rules();
  const protocols = ["TCP", "UDP", "SCTP"] as const;
  const object: Service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "ns", name: "dual" },
    spec: {
      type: "LoadBalancer",
      clusterIP: "172.30.0.50",
      clusterIPs: ["172.30.0.50", "fd00:10:96::50"],
      ipFamilies: ["IPv4", "IPv6"],
      externalTrafficPolicy: "Local",
      internalTrafficPolicy: "Local",
      sessionAffinity: "ClientIP",
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 90 } },
      loadBalancerSourceRanges: ["203.0.113.0/25", "192.168.0.0/24", "2001:db8::/64"],
      ports: protocols.map((protocol, i) => ({ name: `p-${protocol.toLowerCase()}`, port: 53, protocol, nodePort: 30_053 + i })),
    },
    status: { loadBalancer: { ingress: [{ ip: "5.6.7.8" }, { ip: "2001:db8:5::8" }] } },
  };
  const family = (addressType: string, ips: readonly string[]): EndpointSlice => ({
    ...slice(ips.map((ip, i) => ({ addresses: [ip], nodeName: i === 0 ? "test-node" : "elsewhere" }))),
    addressType,
    ports: protocols.map((protocol) => ({ name: `p-${protocol.toLowerCase()}`, port: 53, protocol })),
  });
  rules.set(
    "ns/dual",
    compileService(object, [family("IPv4", ["10.180.0.7", "10.180.1.7"]), family("IPv6", ["fd00:10:244::7", "fd00:10:244:1::7"])]),
  );
  const blocks = (...texts: readonly string[]): readonly Cidr[] => texts.map((text) => new Cidr(text));
  return {
    rules,
    node: { name: "test-node", addresses: ["192.168.0.2", "2001:db8::1"], zone: "" },
    config: {
      ...config,
      serviceCIDRs: blocks("172.30.0.0/16", "fd00:10:96::/112"),
      clusterCIDRs: blocks("10.0.0.0/8", "fd00:10:244::/48"),
    },
  };
}

/** One Service with that many endpoints. */
export function manyEndpoints(count: number): RulesetInput {
  const rules = new Rules();
  const ports = [{ name: "p80", port: 80, protocol: "TCP" as const }];
  const object: Service = { ...service(1, { ports }), metadata: { namespace: "ns1", name: "big" } };
  const endpoints = Array.from({ length: count }, (_, i): Endpoint => ({ addresses: [`10.180.${i >> 8}.${i & 255}`] }));
  rules.set("ns1/big", compileService(object, [slice(endpoints)]));
  return { rules, node, config: { ...config, mode: "iptables" } };
}
