// What becomes of flows to load balancers and externalIPs: k8s pkg/proxy/{iptables,nftables}/proxier_test.go TestLoadBalancer,
// TestExternalIPs, TestOnlyLocalExternalIPs, TestLoadBalancerIngressRouteTypeProxy.
import t from "tap";
import { Cidr } from "../../model/ip.ts";
import type { Service, ServiceSpec } from "../../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import type { Peer } from "../../model/ports.ts";
import { compileService, evaluate, type NodeView, type ProxyMode, Rules } from "../../proxy/index.ts";
import { proxyConfig } from "./proxy-config.ts";

const node: NodeView = { name: "test-node", addresses: ["192.168.0.2", "192.168.1.2"], zone: "" };
const FROM: Readonly<Record<string, Peer>> = {
  pod: { kind: "pod", namespace: "ns", name: "client", ip: "10.0.0.2", node: "test-node" },
  node: { kind: "node", name: "test-node", ip: "192.168.0.2" },
  allowed: { kind: "host", ip: "203.0.113.2" },
  blocked: { kind: "host", ip: "203.0.113.130" },
  "as LB": { kind: "node", name: "test-node", ip: "1.2.3.4" },
  "as other LB": { kind: "node", name: "test-node", ip: "5.6.7.8" },
};

interface World {
  readonly spec?: ServiceSpec;
  readonly ingress?: readonly { readonly ip: string; readonly ipMode?: string }[];
  /** `l`: on this node, `r`: on another. */
  readonly endpoints?: string;
}

/** `DNAT 10.180.0.1:80 masq`, `DROP`, `REJECT` or `NONE`. */
function outcome(
  { spec = {}, ingress = [{ ip: "1.2.3.4" }, { ip: "5.6.7.8" }], endpoints = "r" }: World,
  mode: ProxyMode,
  from: string,
  to: string,
): string {
  const service: Service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "ns", name: "svc" },
    spec: { type: "LoadBalancer", clusterIP: "172.30.0.41", ports: [{ port: 80, nodePort: 3001 }], ...spec },
    status: { loadBalancer: { ingress } },
  };
  const slice: EndpointSlice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { namespace: "ns", name: "svc-1" },
    addressType: "IPv4",
    ports: [{ port: 80 }],
    endpoints: [...endpoints].map((where, i) => ({
      addresses: [`10.180.0.${i + 1}`],
      nodeName: where === "l" ? "test-node" : "elsewhere",
    })),
  };
  const rules = new Rules();
  rules.set("ns/svc", compileService(service, [slice]));
  const peer = FROM[from];
  if (!peer) throw new Error(`nobody is ${from}`);
  const [ip = "", port = ""] = to.split(":");
  const flow = {
    id: 1,
    protocol: "TCP" as const,
    from: peer,
    source: { ip: peer.ip, port: 40_000 },
    destination: { ip, port: Number(port) },
    node: "test-node",
  };
  const decision = evaluate(rules, flow, node, {
    ...proxyConfig,
    mode,
    serviceCIDRs: [new Cidr("172.30.0.0/16")],
    clusterCIDRs: [new Cidr("10.0.0.0/8")],
  });
  if (decision.type !== "balance") return decision.type === "pass" ? "NONE" : decision.type.toUpperCase();
  return `DNAT ${decision.candidates.map(({ ip: target }) => target.split(".").at(-1)).join(" ")}${decision.masquerade ? " masq" : ""}`;
}

const ranges = (...loadBalancerSourceRanges: readonly string[]): World => ({ spec: { loadBalancerSourceRanges } });
const withNode = ranges("192.168.0.0/24", "203.0.113.0/25");
const withoutNode = ranges("203.0.113.0/25");
const local: ServiceSpec = { externalTrafficPolicy: "Local" };
const external: ServiceSpec = { type: "ClusterIP", externalIPs: ["192.168.99.11", "192.168.99.12"], ports: [{ port: 80 }] };

/** The last column where iptables and nftables differ: what nftables does. */
const ROWS: readonly (readonly [world: World, from: string, to: string, expected: string, nftables?: string])[] = [
  [withNode, "pod", "172.30.0.41:80", "DNAT 1"],
  [withNode, "allowed", "192.168.0.2:3001", "DNAT 1 masq"],
  [withNode, "blocked", "192.168.0.2:3001", "DNAT 1 masq"],
  [withNode, "allowed", "1.2.3.4:80", "DNAT 1 masq"],
  [withNode, "allowed", "5.6.7.8:80", "DNAT 1 masq"],
  [withNode, "blocked", "1.2.3.4:80", "DROP"],
  [withNode, "pod", "1.2.3.4:80", "DROP"],
  [withNode, "node", "5.6.7.8:80", "DNAT 1 masq"],
  [withNode, "as LB", "1.2.3.4:80", "DNAT 1 masq"],
  [withNode, "as other LB", "1.2.3.4:80", "DNAT 1 masq"],
  [withoutNode, "node", "1.2.3.4:80", "DROP"],
  [withoutNode, "as LB", "1.2.3.4:80", "DROP"],
  [ranges("192.168.1.0/24"), "as LB", "1.2.3.4:80", "DROP"],
  [ranges("2001:db8::/64"), "blocked", "1.2.3.4:80", "DNAT 1 masq"],
  [{ ...withNode, endpoints: "" }, "allowed", "1.2.3.4:80", "REJECT"],
  [{ ...withNode, endpoints: "" }, "blocked", "1.2.3.4:80", "REJECT", "DROP"],
  [{ spec: local, endpoints: "lr" }, "allowed", "1.2.3.4:80", "DNAT 1"],
  [{ spec: local, endpoints: "lr" }, "pod", "1.2.3.4:80", "DNAT 1 2"],
  [{ spec: local, endpoints: "lr" }, "node", "1.2.3.4:80", "DNAT 1 2 masq"],
  [{ spec: local }, "allowed", "1.2.3.4:80", "DROP"],
  [{ spec: local }, "pod", "1.2.3.4:80", "DNAT 1"],
  [{ spec: local, endpoints: "" }, "pod", "1.2.3.4:80", "REJECT"],
  [{ ingress: [{ ip: "1.2.3.4", ipMode: "Proxy" }] }, "pod", "1.2.3.4:80", "NONE"],
  [{ ingress: [{ ip: "1.2.3.4", ipMode: "VIP" }] }, "pod", "1.2.3.4:80", "DNAT 1 masq"],
  [{ spec: external }, "pod", "192.168.99.11:80", "DNAT 1 masq"],
  [{ spec: external }, "allowed", "192.168.99.12:80", "DNAT 1 masq"],
  [{ spec: external }, "allowed", "192.168.99.12:81", "NONE"],
  [{ spec: { ...external, ...local }, endpoints: "rl" }, "allowed", "192.168.99.11:80", "DNAT 2"],
  [{ spec: { ...external, ...local } }, "allowed", "192.168.99.11:80", "DROP"],
  [{ spec: external, endpoints: "" }, "allowed", "192.168.99.11:80", "REJECT"],
];
for (const [world, from, to, iptables, nftables = iptables] of ROWS) {
  t.equal(outcome(world, "iptables", from, to), iptables, `iptables: ${from} → ${to} ${JSON.stringify(world)}`);
  t.equal(outcome(world, "nftables", from, to), nftables, `nftables: ${from} → ${to} ${JSON.stringify(world)}`);
}

// The kernel's ip_vs_leave: a virtual server without real servers answers with ICMP port unreachable.
for (const [world, from, to, expected] of [
  [{ spec: local }, "allowed", "1.2.3.4:80", "REJECT"],
  [{ spec: local }, "allowed", "192.168.0.2:3001", "REJECT"],
  [{ spec: { internalTrafficPolicy: "Local" } }, "pod", "172.30.0.41:80", "REJECT"],
  [{ spec: local, endpoints: "lr" }, "allowed", "1.2.3.4:80", "DNAT 1"],
  [{ endpoints: "" }, "allowed", "1.2.3.4:80", "REJECT"],
] as const satisfies readonly (readonly [World, string, string, string])[])
  t.equal(outcome(world, "ipvs", from, to), expected, `ipvs: ${from} → ${to} ${JSON.stringify(world)}`);
