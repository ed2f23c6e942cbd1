// What a write makes of a Service that is there: what was allocated stays, what the new type does not have goes, what may not change is refused.
// k8s pkg/registry/core/service: strategy_test.go, storage/storage_test.go; pkg/apis/core/validation/validation_test.go.
import t from "tap";
import type { Service, ServiceSpec } from "../../model/kinds/core-v1.ts";
import { Services } from "../../model/resources.ts";
import { dual, open, refusal, service, web } from "./service-store.ts";

const port = (name: string, number: number, nodePort?: number, protocol: "TCP" | "UDP" = "TCP") => ({
  name,
  port: number,
  protocol,
  ...(nodePort === undefined ? {} : { nodePort }),
});

/** `name=nodePort` of each port; "?" for a number that was not asked for. */
const numbers = ({ spec }: Service, asked: ReadonlySet<number>): string =>
  (spec.ports ?? []).map((each) => `${each.name}=${!each.nodePort ? "none" : asked.has(each.nodePort) ? each.nodePort : "?"}`).join(" ");

t.test("NodePorts of a replacement that leaves them out", async (t) => {
  const before = [port("a", 80, 30_001), port("b", 443, 30_002)];
  const rows: readonly (readonly [title: string, ports: ServiceSpec["ports"], expected: string, extra?: ServiceSpec])[] = [
    ["the same ports", [port("a", 80), port("b", 443)], "a=30001 b=30002"],
    ["another number of the port, the name counts", [port("a", 8080), port("b", 8443)], "a=30001 b=30002"],
    ["swapped names", [port("b", 80), port("a", 443)], "b=30002 a=30001"],
    ["a new name", [port("c", 80), port("b", 443)], "c=? b=30002"],
    ["a number that another port takes over", [port("a", 80, 30_002), port("b", 443)], "a=30002 b=?"],
    [
      "a LoadBalancer that allocates none",
      [port("a", 80), port("c", 81)],
      "a=30001 c=none",
      { type: "LoadBalancer", allocateLoadBalancerNodePorts: false },
    ],
    ["TCP and UDP of a new port", [port("a", 80), port("d", 53), port("e", 53, undefined, "UDP")], "a=30001 d=? e=?"],
  ];
  for (const [title, ports = [], expected, extra = {}] of rows) {
    const store = await open();
    await store.create(Services, service("x", web({ type: "NodePort", ports: before })));
    const updated = await store.update(Services, service("x", web({ type: "NodePort", ports, ...extra })));
    t.equal(numbers(updated, new Set([30_001, 30_002])), expected, title);
  }
});

t.test("NodePorts of a new Service", async (t) => {
  const rows: readonly (readonly [title: string, ports: NonNullable<ServiceSpec["ports"]>, expected: string])[] = [
    ["one number for the protocols of a port", [port("t", 53), port("u", 53, undefined, "UDP")], "same"],
    ["the one that is asked for", [port("t", 53), port("u", 53, 30_053, "UDP")], "t=30053 u=30053"],
    ["two are asked for", [port("t", 53, 30_054), port("u", 53, 30_053, "UDP")], "t=30054 u=30053"],
    [
      "one number, two ports",
      [port("t", 53, 30_053), port("u", 54, 30_053, "UDP")],
      "spec.ports[1].nodePort: Invalid value: 30053: provided port is already allocated",
    ],
    [
      "one number, two ports, one protocol",
      [port("t", 53, 30_053), port("u", 54, 30_053)],
      "spec.ports[1].nodePort: Invalid value: 30053: provided port is already allocated",
    ],
  ];
  for (const [title, ports, expected] of rows) {
    const store = await open();
    const write = store.create(Services, service("x", web({ type: "NodePort", ports })));
    const said = await refusal(write);
    if (said !== "accepted") t.equal(said, `Service "x" is invalid: ${expected}`, title);
    else {
      const [a, b] = (await write).spec.ports ?? [];
      t.equal(
        expected === "same" && a?.nodePort === b?.nodePort ? "same" : numbers(await write, new Set([30_053, 30_054])),
        expected,
        title,
      );
    }
  }
});

/** Fields of the spec that may be set or not, as they are after an update. */
const shape = ({ spec }: Service): string =>
  [
    spec.clusterIP && "clusterIP",
    spec.clusterIPs && "clusterIPs",
    spec.ipFamilies && "ipFamilies",
    spec.ipFamilyPolicy && "ipFamilyPolicy",
    spec.ports?.some((each) => each.nodePort) && "nodePort",
    spec.healthCheckNodePort && "healthCheckNodePort",
    spec.allocateLoadBalancerNodePorts !== undefined && "allocateLoadBalancerNodePorts",
    spec.loadBalancerClass && "loadBalancerClass",
    spec.externalTrafficPolicy && "externalTrafficPolicy",
  ]
    .filter(Boolean)
    .join(" ");

t.test("fields that the new type does not have", async (t) => {
  const balanced: ServiceSpec = { type: "LoadBalancer", externalTrafficPolicy: "Local", loadBalancerClass: "example.com/x" };
  const ip = "clusterIP clusterIPs ipFamilies ipFamilyPolicy";
  const rows: readonly (readonly [title: string, before: ServiceSpec, change: ServiceSpec, expected: string])[] = [
    ["ClusterIP → ExternalName", {}, { type: "ExternalName", externalName: "a.example" }, ""],
    ["ExternalName → ClusterIP", { type: "ExternalName", externalName: "a.example" }, { type: "ClusterIP" }, ip],
    ["NodePort → ClusterIP", { type: "NodePort" }, { type: "ClusterIP" }, ip],
    ["NodePort → ExternalName", { type: "NodePort" }, { type: "ExternalName", externalName: "a.example" }, ""],
    ["LoadBalancer → NodePort", balanced, { type: "NodePort" }, `${ip} nodePort externalTrafficPolicy`],
    ["LoadBalancer → ClusterIP", balanced, { type: "ClusterIP" }, ip],
    [
      "Local → Cluster",
      balanced,
      { externalTrafficPolicy: "Cluster" },
      `${ip} nodePort allocateLoadBalancerNodePorts loadBalancerClass externalTrafficPolicy`,
    ],
    ["ClusterIP with externalIPs → without", { externalIPs: ["127.18.200.1"] }, { externalIPs: [] }, ip],
  ];
  for (const [title, before, change, expected] of rows) {
    const store = await open();
    await store.create(Services, service("x", { ...web(), ...before }));
    const updated = await store.mutate(Services, "default", "x", (draft) => void Object.assign(draft.spec, change));
    t.equal(shape(updated), expected, title);
  }
});

t.test("refused updates, word for word", async (t) => {
  const rows: readonly (readonly [
    title: string,
    before: ServiceSpec,
    change: Partial<Record<keyof ServiceSpec, unknown>>,
    expected: string,
  ])[] = [
    [
      "another ClusterIP",
      { clusterIP: "127.96.0.9" },
      { clusterIP: "127.96.0.10" },
      'spec.clusterIPs[0]: Invalid value: []string{"127.96.0.10"}: may not change once set',
    ],
    [
      "headless",
      { clusterIP: "127.96.0.9" },
      { clusterIP: "None" },
      'spec.clusterIPs[0]: Invalid value: []string{"None"}: may not change once set',
    ],
    [
      "lists that disagree",
      { clusterIP: "127.96.0.9" },
      { clusterIP: "127.96.0.10", clusterIPs: ["127.96.0.11"] },
      'spec.clusterIPs: Invalid value: []string{"127.96.0.11"}: first value must match `clusterIP`',
    ],
    [
      "another health check port",
      { type: "LoadBalancer", externalTrafficPolicy: "Local", healthCheckNodePort: 31_000 },
      { healthCheckNodePort: 31_001 },
      "spec.healthCheckNodePort: Invalid value: 31001: cannot change healthCheckNodePort on loadBalancer service with externalTraffic=Local during update",
    ],
    [
      "another class",
      { type: "LoadBalancer", loadBalancerClass: "a.example/x" },
      { loadBalancerClass: "a.example/y" },
      'spec.loadBalancerClass: Invalid value: "a.example/y": may not change once set',
    ],
    [
      "a class, late",
      { type: "LoadBalancer" },
      { loadBalancerClass: "a.example/y" },
      'spec.loadBalancerClass: Invalid value: "a.example/y": may not change once set',
    ],
    [
      "releasing a family without saying so",
      { ipFamilyPolicy: "PreferDualStack" },
      { ipFamilies: ["IPv4"] },
      "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be 'SingleStack' to release the secondary IP family",
    ],
    ["families the other way round", { ipFamilyPolicy: "RequireDualStack" }, { ipFamilies: ["IPv6", "IPv4"] }, ""],
  ];
  for (const [title, before, change, expected] of rows) {
    const store = await open(dual);
    const made = await store.create(Services, service("x", { ...web(), ...before }));
    const said = await refusal(store.mutate(Services, "default", "x", (draft) => void Object.assign(draft.spec, change)));
    if (expected !== "") t.equal(said, `Service "x" is invalid: ${expected}`, title);
    else {
      const [v4 = "", v6 = ""] = made.spec.clusterIPs ?? [];
      const wanted = [
        `spec.clusterIPs[0]: Invalid value: "${v4}": expected an IPv6 value as indicated by \`ipFamilies[0]\``,
        `spec.clusterIPs[1]: Invalid value: "${v6}": expected an IPv4 value as indicated by \`ipFamilies[1]\``,
      ];
      t.equal(said, `Service "x" is invalid: [${wanted.join(", ")}]`, title);
    }
  }
});

t.test("dual-stack up and down", async (t) => {
  const store = await open(dual);
  const change = (spec: ServiceSpec): Promise<Service> =>
    store.mutate(Services, "default", "x", (draft) => void Object.assign(draft.spec, spec));
  const made = await store.create(Services, service("x", web()));
  const both = await change({ ipFamilyPolicy: "PreferDualStack" });
  t.same([both.spec.ipFamilies, both.spec.clusterIPs?.length, both.spec.clusterIPs?.[0]], [["IPv4", "IPv6"], 2, made.spec.clusterIP]);
  const old = await store.update(Services, service("x", web({ selector: { app: "old client" } })));
  t.same(
    [old.spec.clusterIPs, old.spec.ipFamilyPolicy],
    [both.spec.clusterIPs, "PreferDualStack"],
    "a client that knows no lists keeps them",
  );
  const one = await change({ ipFamilyPolicy: "SingleStack" });
  t.same([one.spec.ipFamilies, one.spec.clusterIPs], [["IPv4"], [made.spec.clusterIP]]);
});

t.test("refused Services, word for word", async (t) => {
  const annotated = (annotations: Readonly<Record<string, string>>, spec: ServiceSpec = web()): Service => ({
    ...service("x", spec),
    metadata: { name: "x", namespace: "default", annotations },
  });
  const ranges = "service.beta.kubernetes.io/load-balancer-source-ranges";
  const rows: readonly (readonly [title: string, service: Service, expected: string])[] = [
    [
      "two annotations that disagree",
      annotated({ "service.kubernetes.io/topology-mode": "Auto", "service.kubernetes.io/topology-aware-hints": "Disabled" }),
      'metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "Auto": must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified',
    ],
    [
      "appProtocol",
      service("x", web({ ports: [{ port: 80, appProtocol: "no good" }] })),
      "spec.ports[0].appProtocol: Invalid value: \"no good\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
    ["a domain's appProtocol", service("x", web({ ports: [{ port: 80, appProtocol: "kubernetes.io/h2c" }] })), ""],
    ["port 10250 of a LoadBalancer", service("x", web({ type: "LoadBalancer", ports: [{ port: 10_250 }] })), ""],
    [
      "three addresses",
      service(
        "x",
        web({ clusterIP: "127.96.0.5", clusterIPs: ["127.96.0.5", "fd00:10:96::5", "127.96.0.6"], ipFamilyPolicy: "RequireDualStack" }),
      ),
      '[spec.clusterIPs: Invalid value: []string{"127.96.0.5", "fd00:10:96::5", "127.96.0.6"}: may only hold up to 2 values, spec.clusterIPs: Invalid value: []string{"127.96.0.5", "fd00:10:96::5", "127.96.0.6"}: may specify no more than one IP for each IP family]',
    ],
    [
      "two of one family",
      service("x", web({ clusterIP: "127.96.0.5", clusterIPs: ["127.96.0.5", "127.96.0.6"], ipFamilyPolicy: "RequireDualStack" })),
      'spec.clusterIPs: Invalid value: []string{"127.96.0.5", "127.96.0.6"}: may specify no more than one IP for each IP family',
    ],
    [
      "None and more",
      service("x", web({ clusterIP: "None", clusterIPs: ["None", "127.96.0.6"] })),
      'spec.clusterIPs: Invalid value: []string{"None", "127.96.0.6"}: \'None\' must be the first and only value',
    ],
    [
      "a list without the first field",
      service("x", web({ clusterIPs: ["127.96.0.6"] })),
      'spec.clusterIPs: Invalid value: []string{"127.96.0.6"}: must be empty when `clusterIP` is not specified',
    ],
    [
      "a family twice",
      service("x", web({ ipFamilies: ["IPv4", "IPv4"], ipFamilyPolicy: "RequireDualStack" })),
      'spec.ipFamilies[1]: Duplicate value: "IPv4"',
    ],
    [
      "a class that is no name",
      service("x", web({ type: "LoadBalancer", loadBalancerClass: "a/b/c" })),
      "spec.loadBalancerClass: Invalid value: \"a/b/c\": a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
    ],
    [
      "a class of a ClusterIP",
      service("x", web({ loadBalancerClass: "a/b" })),
      "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ],
    [
      "ranges by annotation",
      annotated({ [ranges]: "10.0.0.0/8, nonsense" }, web({ type: "LoadBalancer" })),
      `metadata.annotations[${ranges}]: Invalid value: "nonsense": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`,
    ],
    [
      "ranges by annotation, of a ClusterIP",
      annotated({ [ranges]: "" }),
      `metadata.annotations[${ranges}]: Forbidden: may only be used when \`type\` is 'LoadBalancer'`,
    ],
    ["a range with blanks", service("x", web({ type: "LoadBalancer", loadBalancerSourceRanges: [" 10.0.0.0/8 "] })), ""],
    [
      "internalTrafficPolicy of an ExternalName",
      service("x", { type: "ExternalName", externalName: "a.example", internalTrafficPolicy: "Near" as "Local" }),
      'spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"',
    ],
    ["a trailing dot", service("x", { type: "ExternalName", externalName: "a.example." }), ""],
    [
      "errors in upstream's order",
      service("x", web({ type: "Odd" as "ClusterIP", sessionAffinity: "Odd" as "None", ports: [] })),
      '[spec.ports: Required value, spec.sessionAffinity: Unsupported value: "Odd": supported values: "ClientIP", "None", spec.type: Unsupported value: "Odd": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]',
    ],
  ];
  for (const [title, object, expected] of rows) {
    const store = await open(dual);
    t.equal(await refusal(store.create(Services, object)), expected === "" ? "accepted" : `Service "x" is invalid: ${expected}`, title);
  }
});

t.test("what a status may announce", async (t) => {
  const rows: readonly (readonly [type: "LoadBalancer" | "ClusterIP", ingress: object, expected: string])[] = [
    ["LoadBalancer", { ip: "10.0.0.1", ipMode: "VIP" }, ""],
    ["LoadBalancer", { ip: "10.0.0.1", ipMode: "Proxy" }, ""],
    ["LoadBalancer", { hostname: "lb.example" }, ""],
    [
      "ClusterIP",
      { ip: "10.0.0.1", ipMode: "VIP" },
      "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'",
    ],
    [
      "LoadBalancer",
      { ip: "1.2", ipMode: "VIP" },
      'status.loadBalancer.ingress[0].ip: Invalid value: "1.2": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    ["LoadBalancer", { ip: "10.0.0.1" }, "status.loadBalancer.ingress[0].ipMode: Required value: must be specified when `ip` is set"],
    [
      "LoadBalancer",
      { hostname: "lb.example", ipMode: "VIP" },
      "status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set",
    ],
    [
      "LoadBalancer",
      { ip: "10.0.0.1", ipMode: "Odd" },
      'status.loadBalancer.ingress[0].ipMode: Unsupported value: "Odd": supported values: "Proxy", "VIP"',
    ],
    [
      "LoadBalancer",
      { hostname: "1.2.3.4" },
      'status.loadBalancer.ingress[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
    ],
  ];
  for (const [type, ingress, expected] of rows) {
    const store = await open();
    await store.create(Services, service("x", web({ type })));
    const write = store.mutate(Services, "default", "x", (draft) => void (draft.status = { loadBalancer: { ingress: [ingress] } }), {
      subresource: "status",
    });
    t.equal(await refusal(write), expected === "" ? "accepted" : `Service "x" is invalid: ${expected}`, JSON.stringify(ingress));
  }
});
