// What Services and slices come to. Rows of k8s pkg/proxy/servicechangetracker_test.go, endpointschangetracker_test.go,
// pkg/proxy/{iptables,nftables}/proxier_test.go TestBadIPs, TestUpdateEndpointsMap.
import t from "tap";
import type { Service, ServiceSpec } from "../../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import { EndpointSlices, Services } from "../../model/resources.ts";
import { compileService } from "../../proxy/index.ts";
import { RuleBuilder } from "../../proxy/rule-builder.ts";
import { iptablesRuleset } from "../../proxy/rulesets/iptables-ruleset.ts";
import { nftRuleset } from "../../proxy/rulesets/nft-ruleset.ts";
import { overall } from "./rulesets/overall-services.ts";

const service = (name: string, spec: ServiceSpec, ingress: readonly object[] = [], labels = {}): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace: "ns1", name, labels },
  spec,
  status: { loadBalancer: { ingress: ingress as { ip: string }[] } },
});
const UDP = { protocol: "UDP" } as const;
const two: ServiceSpec["ports"] = [
  { name: "p1", port: 8675, nodePort: 30_061, ...UDP },
  { name: "p2", port: 8676, nodePort: 30_062, ...UDP },
];
const V6 = "2001:db8:85a3:0:0:8a2e:370:7334";
const V6X = "2001:db8:85a3:0:0:8a2e:370:7335";
const both: ServiceSpec = {
  externalIPs: ["8.8.8.8", V6X],
  loadBalancerSourceRanges: ["0.0.0.0/1", "2001:db8::/32"],
  ports: [{ name: "p", port: 12_345 }],
};
const either = [{ ip: "8.8.8.8" }, { ip: V6X }];

/** `name ip:port/PROTOCOL`, then what there is of `np=`, `hc=`, `ext=`, `lb=` and `from=`. */
function portsOf(object: Service): readonly string[] {
  return compileService(object, []).ports.map((port) => {
    const lists = { ext: port.externalIPs, lb: port.loadBalancerIPs, from: port.sourceRanges.map(String) };
    const texts = Object.entries(lists).flatMap(([name, list]) => (list.length > 0 ? [`${name}=${list.join()}`] : []));
    const numbers = Object.entries({ np: port.nodePort, hc: port.healthCheckNodePort }).flatMap(([name, n]) =>
      n === 0 ? [] : [`${name}=${n}`],
    );
    return [`${port.portName} ${port.clusterIP} ${port.port}/${port.protocol}`, ...numbers, ...texts].join(" ");
  });
}
const ROWS: readonly (readonly [name: string, object: Service, expected: readonly string[]])[] = [
  [
    "cluster ip service",
    service("a", {
      clusterIP: "172.16.55.4",
      ports: [
        { name: "p1", port: 1234, ...UDP },
        { name: "p2", port: 1235, ...UDP },
      ],
    }),
    ["p1 172.16.55.4 1234/UDP", "p2 172.16.55.4 1235/UDP"],
  ],
  [
    "load balancer service",
    service("a", { type: "LoadBalancer", clusterIP: "172.16.55.11", ports: two }, [{ ip: "10.1.2.4" }]),
    ["p1 172.16.55.11 8675/UDP np=30061 lb=10.1.2.4", "p2 172.16.55.11 8676/UDP np=30062 lb=10.1.2.4"],
  ],
  [
    "ipMode Proxy",
    service("a", { type: "LoadBalancer", clusterIP: "172.16.55.11", ports: two }, [{ ip: "10.1.2.4", ipMode: "Proxy" }]),
    ["p1 172.16.55.11 8675/UDP np=30061", "p2 172.16.55.11 8676/UDP np=30062"],
  ],
  [
    "a load balancer with a name",
    service("a", { type: "LoadBalancer", clusterIP: "172.16.55.11", ports: two.slice(0, 1) }, [{ hostname: "lb.example.com" }]),
    ["p1 172.16.55.11 8675/UDP np=30061"],
  ],
  [
    "load balancer with only local traffic policy",
    service(
      "a",
      { type: "LoadBalancer", clusterIP: "172.16.55.12", externalTrafficPolicy: "Local", healthCheckNodePort: 345, ports: two },
      [{ ip: "10.1.2.3" }],
    ),
    ["p1 172.16.55.12 8675/UDP np=30061 hc=345 lb=10.1.2.3", "p2 172.16.55.12 8676/UDP np=30062 hc=345 lb=10.1.2.3"],
  ],
  [
    "a health check port without Local",
    service("a", { type: "LoadBalancer", clusterIP: "172.16.55.12", healthCheckNodePort: 345, ports: two.slice(0, 1) }),
    ["p1 172.16.55.12 8675/UDP np=30061"],
  ],
  [
    "IPv4: fields of the other family are left out",
    service("a", { ...both, clusterIP: "10.0.0.1" }, either),
    ["p 10.0.0.1 12345/TCP ext=8.8.8.8 lb=8.8.8.8 from=0.0.0.0/1"],
  ],
  [
    "IPv6: fields of the other family are left out",
    service("a", { ...both, clusterIP: V6 }, either),
    ["p 2001:db8:85a3::8a2e:370:7334 12345/TCP ext=2001:db8:85a3::8a2e:370:7335 lb=2001:db8:85a3::8a2e:370:7335 from=2001:db8::/32"],
  ],
  [
    "dual-stack: a port of each",
    service("a", { clusterIP: "10.0.0.1", clusterIPs: ["10.0.0.1", V6], ports: [{ port: 80 }] }),
    [" 10.0.0.1 80/TCP", " 2001:db8:85a3::8a2e:370:7334 80/TCP"],
  ],
  [
    "another proxy's",
    service("a", { clusterIP: "10.0.0.1", ports: [{ port: 80 }] }, [], { "service.kubernetes.io/service-proxy-name": "x" }),
    [],
  ],
  ["headless by label", service("a", { clusterIP: "10.0.0.1", ports: [{ port: 80 }] }, [], { "service.kubernetes.io/headless": "" }), []],
  ["no ClusterIP yet", service("a", { ports: [{ port: 80 }] }), []],
];
for (const [name, object, expected] of ROWS) t.same(portsOf(object), expected, name);

const slice = (name: string, of: string, endpoints: readonly string[], ports: Readonly<Record<string, number>>): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { namespace: "ns1", name, labels: { "kubernetes.io/service-name": of } },
  addressType: "IPv4",
  endpoints: endpoints.map((text) => {
    const [address = "", nodeName] = text.split("@");
    return { addresses: [address], ...(nodeName === undefined ? {} : { nodeName }) };
  }),
  ports: Object.entries(ports).map(([port, number]) => ({ name: port, port: number, ...UDP })),
});

t.test("addresses with leading zeros, as old objects have them", async (t) => {
  const bad = service(
    "svc1",
    {
      type: "LoadBalancer",
      clusterIP: "172.30.0.041",
      ports: [{ name: "p80", port: 80, protocol: "TCP", nodePort: 3001 }],
      externalIPs: ["192.168.099.022"],
      loadBalancerSourceRanges: ["203.0.113.000/025"],
    },
    [{ ip: "1.2.3.004" }],
  );
  const eps = { ...slice("s", "svc1", ["10.180.00.001"], {}), ports: [{ name: "p80", port: 80, protocol: "TCP" as const }] };
  const input = overall();
  input.rules.set("ns1/svc1", compileService(bad, [eps]));
  const nft = nftRuleset({ ...input, service: "ns1/svc1" });
  for (const line of [
    "ip daddr 172.30.0.41 ip saddr != 10.0.0.0/8 jump mark-for-masquerade",
    "numgen random mod 1 vmap { 0 : goto endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80 }",
    "meta l4proto tcp dnat to 10.180.0.1:80",
    "ip saddr != 203.0.113.0/25 drop",
    "172.30.0.41 . tcp . 80 : goto service-ULMVA6XW-ns1/svc1/tcp/p80",
    "192.168.99.22 . tcp . 80 : goto external-ULMVA6XW-ns1/svc1/tcp/p80",
    "1.2.3.4 . tcp . 80 : goto external-ULMVA6XW-ns1/svc1/tcp/p80",
    "1.2.3.4 . tcp . 80 : goto firewall-ULMVA6XW-ns1/svc1/tcp/p80",
  ])
    t.ok(nft.includes(line), line);
  const iptables = iptablesRuleset({ ...input, service: "ns1/svc1", config: { ...input.config, mode: "iptables" } });
  for (const text of [
    "-d 172.30.0.41/32 ",
    "-d 192.168.99.22/32 ",
    "-d 1.2.3.4/32 ",
    "-s 203.0.113.0/25 ",
    "--to-destination 10.180.0.1:80",
  ])
    t.ok(iptables.includes(text), text);
});

type Slices = readonly (EndpointSlice | undefined)[];
const ports = (...names: readonly number[]): Readonly<Record<string, number>> => Object.fromEntries(names.map((n) => [`p${n}`, n]));
const one = slice("ep1-1", "ep1", ["10.1.1.1"], ports(11));
const CHANGES: readonly (readonly [name: string, before: Slices, after: Slices, expected: string])[] = [
  ["nothing", [], [], ""],
  [
    "no change, local",
    [slice("ep1-1", "ep1", ["10.1.1.1@here"], ports(11))],
    [slice("ep1-1", "ep1", ["10.1.1.1@here"], ports(11))],
    "ep1:p11 10.1.1.1:11@here",
  ],
  [
    "several slices, ports and addresses",
    [],
    [
      slice("ep1-1", "ep1", ["10.1.1.1", "10.1.1.2@here"], ports(11, 12)),
      slice("ep1-2", "ep1", ["10.1.1.3", "10.1.1.4@here"], ports(13)),
      slice("ep2-1", "ep2", ["10.2.2.1", "10.2.2.2@here"], ports(11)),
    ],
    "ep1:p11 10.1.1.1:11 10.1.1.2:11@here, ep1:p12 10.1.1.1:12 10.1.1.2:12@here, ep1:p13 10.1.1.3:13 10.1.1.4:13@here, ep2:p11 10.2.2.1:11 10.2.2.2:11@here",
  ],
  ["remove a slice", [one], [undefined], ""],
  [
    "add an address and a port",
    [one],
    [slice("ep1-1", "ep1", ["10.1.1.1", "10.1.1.2@here"], ports(11, 12))],
    "ep1:p11 10.1.1.1:11 10.1.1.2:11@here, ep1:p12 10.1.1.1:12 10.1.1.2:12@here",
  ],
  ["remove an address and a port", [slice("ep1-1", "ep1", ["10.1.1.1", "10.1.1.2@here"], ports(11, 12))], [one], "ep1:p11 10.1.1.1:11"],
  [
    "add a slice",
    [one, undefined],
    [one, slice("ep1-2", "ep1", ["10.1.1.2@here"], ports(12))],
    "ep1:p11 10.1.1.1:11, ep1:p12 10.1.1.2:12@here",
  ],
  ["remove a slice of two", [one, slice("ep1-2", "ep1", ["10.1.1.2"], ports(12))], [one, undefined], "ep1:p11 10.1.1.1:11"],
  ["rename a port", [one], [slice("ep1-1", "ep1", ["10.1.1.1"], { p12: 11 })], "ep1:p12 10.1.1.1:11"],
  ["renumber a port", [one], [slice("ep1-1", "ep1", ["10.1.1.1"], { p11: 22 })], "ep1:p11 10.1.1.1:22"],
  ["from empty to one address", [slice("ep1-1", "ep1", [], ports(11))], [one], "ep1:p11 10.1.1.1:11"],
  ["from one address to empty", [one], [slice("ep1-1", "ep1", [], ports(11))], ""],
  ["a slice that goes to another Service", [one], [slice("ep1-1", "ep2", ["10.1.1.1"], ports(11))], "ep2:p11 10.1.1.1:11"],
  ["a slice of nobody", [one], [{ ...one, metadata: { ...one.metadata, labels: {} } }], ""],
  [
    "a slice of another proxy",
    [],
    [{ ...one, metadata: { ...one.metadata, labels: { ...one.metadata.labels, "service.kubernetes.io/service-proxy-name": "x" } } }],
    "",
  ],
  [
    "a complex change",
    [
      one,
      undefined,
      slice("ep2-1", "ep2", ["10.2.2.2@here", "10.2.2.22@here"], ports(13)),
      slice("ep2-2", "ep2", ["10.2.2.3@here"], ports(12)),
    ],
    [
      slice("ep1-1", "ep1", ["10.1.1.1", "10.1.1.11"], ports(11)),
      slice("ep1-2", "ep1", ["10.1.1.2"], ports(12, 13)),
      undefined,
      slice("ep2-2", "ep2", ["10.2.2.3@here"], ports(13)),
    ],
    "ep1:p11 10.1.1.11:11 10.1.1.1:11, ep1:p12 10.1.1.2:12, ep1:p13 10.1.1.2:13, ep2:p13 10.2.2.3:13@here",
  ],
];
for (const [name, before, after, expected] of CHANGES) {
  t.test(name, async (t) => {
    const builder = new RuleBuilder();
    for (const owner of ["ep1", "ep2"]) {
      const spec: ServiceSpec = {
        clusterIP: owner === "ep1" ? "172.30.0.1" : "172.30.0.2",
        ports: [11, 12, 13].map((n) => ({ name: `p${n}`, port: n, ...UDP })),
      };
      const object = service(owner, spec);
      builder.note({ type: Services, key: `ns1/${owner}`, object, previous: undefined } as unknown as Parameters<RuleBuilder["note"]>[0]);
    }
    const put = (object: EndpointSlice | undefined, previous: EndpointSlice | undefined): void => {
      const key = `ns1/${(object ?? previous)?.metadata.name}`;
      builder.note({ type: EndpointSlices, key, object, previous } as unknown as Parameters<RuleBuilder["note"]>[0]);
    };
    for (const each of before) if (each) put(each, undefined);
    for (const _ of builder.compile()) continue;
    for (const [i, each] of after.entries()) if (each ?? before[i]) put(each, before[i]);
    for (const _ of builder.compile()) continue;
    const found = builder.rules.tables().flatMap((table) =>
      table.ports.flatMap((port) => {
        const list = port.endpoints.map(({ id, node }) => `${id}${node === "" ? "" : `@${node}`}`);
        return list.length === 0 ? [] : [`${port.name}:${port.portName} ${list.join(" ")}`];
      }),
    );
    t.equal(found.join(", "), expected);
  });
}
