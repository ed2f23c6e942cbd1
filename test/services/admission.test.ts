import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { createIds } from "../../model/ids.ts";
import type { Service, ServiceSpec } from "../../model/kinds/core-v1.ts";
import { seededRandom } from "../../model/random.ts";
import { Services } from "../../model/resources.ts";
import { serviceAdmission } from "../../services/index.ts";
import { createStore } from "../../store/index.ts";
import { dual, open, refusal, service, web } from "./service-store.ts";

t.test("a create answers with everything allocated and defaulted", async (t) => {
  const store = await open();
  const { spec } = await store.create(Services, service("web", web({ type: "NodePort" })));
  t.match(spec, {
    type: "NodePort",
    sessionAffinity: "None",
    externalTrafficPolicy: "Cluster",
    internalTrafficPolicy: "Cluster",
    ipFamilies: ["IPv4"],
    ipFamilyPolicy: "SingleStack",
    clusterIP: /^127\.96\.\d+\.\d+$/,
    ports: [{ port: 80, targetPort: 80, protocol: "TCP" }],
  });
  t.same(spec?.clusterIPs, [spec?.clusterIP]);
  t.ok((spec?.ports?.[0]?.nodePort ?? 0) >= 30_086, "from the dynamic band");
  const [, , c = 0] = (spec?.clusterIP ?? "").split(".").map(Number);
  t.ok(c >= 1, "from the dynamic band, past the first 256 addresses");
});

t.test("refusals, word for word", async (t) => {
  const store = await open();
  await store.create(
    Services,
    service("first", web({ clusterIP: "127.96.0.50", type: "NodePort", ports: [{ port: 80, nodePort: 30_080 }] })),
  );
  const rows: [string, ServiceSpec, string][] = [
    [
      "taken IP",
      web({ clusterIP: "127.96.0.50" }),
      'Service "x" is invalid: spec.clusterIPs: Invalid value: []string{"127.96.0.50"}: failed to allocate IP 127.96.0.50: provided IP is already allocated',
    ],
    [
      "foreign IP",
      web({ clusterIP: "127.97.0.1" }),
      'Service "x" is invalid: spec.clusterIPs: Invalid value: []string{"127.97.0.1"}: failed to allocate IP 127.97.0.1: the provided network does not match the current range',
    ],
    [
      "network address",
      web({ clusterIP: "127.96.0.0" }),
      'Service "x" is invalid: spec.clusterIPs: Invalid value: []string{"127.96.0.0"}: failed to allocate IP 127.96.0.0: provided IP 127.96.0.0 is not in the valid range',
    ],
    [
      "no address",
      web({ clusterIP: "web" }),
      'Service "x" is invalid: spec.clusterIPs[0]: Invalid value: "web": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      "taken NodePort",
      web({ type: "NodePort", ports: [{ port: 80, nodePort: 30_080 }] }),
      'Service "x" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated',
    ],
    [
      "NodePort out of range",
      web({ type: "NodePort", ports: [{ port: 80, nodePort: 8080 }] }),
      'Service "x" is invalid: spec.ports[0].nodePort: Invalid value: 8080: provided port is not in the valid range. The range of valid ports is 30000-32767',
    ],
    [
      "NodePort of a ClusterIP Service",
      web({ ports: [{ port: 80, nodePort: 30_090 }] }),
      "Service \"x\" is invalid: spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ],
    ["no ports", { selector: { app: "web" } }, 'Service "x" is invalid: spec.ports: Required value'],
    [
      "unnamed ports",
      web({ ports: [{ port: 80 }, { port: 81 }] }),
      'Service "x" is invalid: [spec.ports[0].name: Required value, spec.ports[1].name: Required value]',
    ],
    [
      "duplicate port",
      web({
        ports: [
          { name: "a", port: 80 },
          { name: "b", port: 80 },
        ],
      }),
      'Service "x" is invalid: spec.ports[1]: Duplicate value: core.ServicePort{Name:"", Protocol:"TCP", AppProtocol:(*string)(nil), Port:80, TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}, NodePort:0}',
    ],
    [
      "bad port",
      web({ ports: [{ port: 70_000, targetPort: 80 }] }),
      'Service "x" is invalid: spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive',
    ],
    [
      "bad type",
      web({ type: "Internal" as "ClusterIP" }),
      'Service "x" is invalid: spec.type: Unsupported value: "Internal": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
    [
      "headless NodePort",
      web({ type: "NodePort", clusterIP: "None" }),
      'Service "x" is invalid: spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services',
    ],
    [
      "loopback externalIP",
      web({ externalIPs: ["127.0.0.1"] }),
      'Service "x" is invalid: spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ],
    ["ExternalName without a name", { type: "ExternalName" }, 'Service "x" is invalid: spec.externalName: Required value'],
    [
      "Local policy of an internal Service",
      web({ externalTrafficPolicy: "Local" }),
      'Service "x" is invalid: spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ],
    [
      "source ranges of a NodePort",
      web({ type: "NodePort", loadBalancerSourceRanges: ["10.0.0.0/8"] }),
      "Service \"x\" is invalid: spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ],
    [
      "affinity too long",
      web({ sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 100_000 } } }),
      'Service "x" is invalid: spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 100000: must be greater than 0 and less than 86400',
    ],
    [
      "dual-stack on a single-stack cluster",
      web({ ipFamilyPolicy: "RequireDualStack" }),
      'Service "x" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
    ],
    [
      "IPv6 on an IPv4 cluster",
      web({ ipFamilies: ["IPv6"] }),
      'Service "x" is invalid: spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
    ],
    [
      "bad trafficDistribution",
      web({ trafficDistribution: "Near" }),
      'Service "x" is invalid: spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"',
    ],
    ["externalIP of the cluster", web({ externalIPs: ["127.18.200.1"] }), "accepted"],
    ["last address", web({ clusterIP: "127.96.255.254" }), "accepted"],
  ];
  for (const [title, spec, expected] of rows) {
    t.equal(await refusal(store.create(Services, service("x", spec), { dryRun: true })), expected, title);
  }
});

t.test("addresses and ports come back: delete, dry run, failed create, finalizers", async (t) => {
  const store = await open(["127.96.0.0/29"]);
  const fill = async (): Promise<number> => {
    let count = 0;
    while ((await refusal(store.create(Services, service(`s${count}`, web())))) === "accepted") count++;
    return count;
  };
  t.equal(await fill(), 6, "a /29 has six addresses");
  t.equal(
    await refusal(store.create(Services, service("more", web()))),
    "Internal error occurred: failed to allocate a serviceIP: range is full",
  );
  await store.delete(Services, "default", "s3");
  for (let i = 0; i < 3; i++) await store.create(Services, service("try", web()), { dryRun: true });
  t.match(await refusal(store.create(Services, service("bad", web({ ports: [] })))), /Required value/);
  await store.create(Services, {
    ...service("again", web()),
    metadata: { name: "again", namespace: "default", finalizers: ["example.com/hold"] },
  });
  await store.delete(Services, "default", "again");
  t.match(await refusal(store.create(Services, service("more", web()))), /range is full/, "held by a finalizer");
  await store.mutate(Services, "default", "again", (again) => void (again.metadata.finalizers = []));
  t.equal(await refusal(store.create(Services, service("more", web()))), "accepted", "released with the object");
});

t.test("type changes in place", async (t) => {
  const store = await open();
  const created = await store.create(Services, service("web", web()));
  const change = (spec: ServiceSpec): Promise<Service> =>
    store.mutate(Services, "default", "web", (draft) => void Object.assign(draft.spec ?? {}, spec));
  const nodePort = await change({ type: "NodePort" });
  const number = nodePort.spec?.ports?.[0]?.nodePort;
  t.ok(number, "a NodePort was allocated");
  t.equal(nodePort.spec?.clusterIP, created.spec?.clusterIP, "the ClusterIP stays");
  const balanced = await change({ type: "LoadBalancer", externalTrafficPolicy: "Local" });
  t.equal(balanced.spec?.ports?.[0]?.nodePort, number, "the NodePort stays");
  t.ok(balanced.spec?.healthCheckNodePort, "a health check port was allocated");
  const back = await change({ type: "ClusterIP" });
  t.same(
    [
      back.spec?.ports?.[0]?.nodePort,
      back.spec?.healthCheckNodePort,
      back.spec?.externalTrafficPolicy,
      back.spec?.allocateLoadBalancerNodePorts,
    ],
    [undefined, undefined, undefined, undefined],
  );
  t.equal(
    await refusal(store.create(Services, service("other", web({ type: "NodePort", ports: [{ port: 80, nodePort: number ?? 0 }] })))),
    "accepted",
    "the number is free again",
  );
  const external = await change({ type: "ExternalName", externalName: "example.com" });
  t.same([external.spec?.clusterIP, external.spec?.clusterIPs, external.spec?.ipFamilies], [undefined, undefined, undefined]);
  t.equal(
    await refusal(store.create(Services, service("heir", web({ clusterIP: created.spec?.clusterIP ?? "" })))),
    "accepted",
    "the ClusterIP is free again",
  );
  t.match((await change({ type: "ClusterIP" })).spec?.clusterIP, /^127\.96\./);
});

t.test("an applied manifest without the allocated fields keeps them; a different ClusterIP is refused", async (t) => {
  const store = await open();
  const created = await store.create(Services, service("web", web({ type: "NodePort" })));
  const updated = await store.update(Services, service("web", web({ type: "NodePort", selector: { app: "two" } })));
  t.equal(updated.spec?.clusterIP, created.spec?.clusterIP);
  t.equal(updated.spec?.ports?.[0]?.nodePort, created.spec?.ports?.[0]?.nodePort);
  t.equal(
    await refusal(store.update(Services, service("web", web({ clusterIP: "127.96.0.99" })))),
    'Service "web" is invalid: spec.clusterIPs[0]: Invalid value: []string{"127.96.0.99"}: may not change once set',
  );
  const second = await store.update(
    Services,
    service(
      "web",
      web({
        type: "NodePort",
        ports: [
          { name: "http", port: 80 },
          { name: "dns", port: 53 },
          { name: "dns-udp", port: 53, protocol: "UDP" },
        ],
      }),
    ),
  );
  const numbers = (second.spec?.ports ?? []).map((port) => port.nodePort);
  t.equal(new Set([...numbers, created.spec?.ports?.[0]?.nodePort]).size, 4, "ports with other names get numbers of their own");
});

t.test("IP families", async (t) => {
  const store = await open(dual);
  const rows: [string, ServiceSpec, string][] = [
    ["default", web(), "SingleStack IPv4"],
    ["prefer", web({ ipFamilyPolicy: "PreferDualStack" }), "PreferDualStack IPv4,IPv6"],
    ["require, IPv6 first", web({ ipFamilyPolicy: "RequireDualStack", ipFamilies: ["IPv6"] }), "RequireDualStack IPv6,IPv4"],
    ["by address", web({ clusterIP: "fd00:10:96::a" }), "SingleStack IPv6"],
    ["headless", web({ clusterIP: "None" }), "SingleStack IPv4"],
    ["headless without selector", { clusterIP: "None" }, "RequireDualStack IPv4,IPv6"],
  ];
  for (const [title, spec, expected] of rows) {
    const made = await store.create(Services, service("x", spec), { dryRun: true });
    t.equal(`${made.spec?.ipFamilyPolicy} ${made.spec?.ipFamilies?.join()}`, expected, title);
    if (made.spec?.clusterIP !== "None") t.equal(made.spec?.clusterIPs?.length, made.spec?.ipFamilies?.length, title);
  }
});

t.test("the books are rebuilt from what is stored", async (t) => {
  const store = await createStore({ clock: new VirtualClock(), ids: createIds(seededRandom("x")) });
  await store.create(
    Services,
    service("old", { clusterIP: "127.96.0.7", clusterIPs: ["127.96.0.7"], type: "NodePort", ports: [{ port: 80, nodePort: 30_001 }] }),
  );
  store.admit(...serviceAdmission({ serviceCIDRs: ["127.96.0.0/16"], random: seededRandom("y") }));
  t.match(await refusal(store.create(Services, service("a", web({ clusterIP: "127.96.0.7" })))), /already allocated/);
  t.match(
    await refusal(store.create(Services, service("b", web({ type: "NodePort", ports: [{ port: 80, nodePort: 30_001 }] })))),
    /already allocated/,
  );
});
