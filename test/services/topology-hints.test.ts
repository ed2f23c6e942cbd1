// topology-mode Auto: shares by CPU, the 20 % limit, and the controller that follows nodes and tells.
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { createIds } from "../../model/ids.ts";
import type { Node, Pod } from "../../model/kinds/core-v1.ts";
import type { Endpoint } from "../../model/kinds/discovery-v1.ts";
import { seededRandom } from "../../model/random.ts";
import { EndpointSlices, Events, Nodes, Pods, Services } from "../../model/resources.ts";
import { createServiceControllers, serviceAdmission } from "../../services/index.ts";
import { topologyHints, wantsTopologyHints } from "../../services/topology-hints.ts";
import { createStore } from "../../store/index.ts";

const node = (name: string, zone: string, cpu: string, labels: Record<string, string> = {}): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, labels: { ...(zone === "" ? {} : { "topology.kubernetes.io/zone": zone }), ...labels } },
  spec: {},
  status: {
    allocatable: { cpu },
    conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: "2025-01-01T00:00:00Z", lastTransitionTime: "2025-01-01T00:00:00Z" }],
  },
});
/** `aab` → three ready endpoints, two in zone a; upper case: not ready; `-`: no zone. */
const endpoints = (zones: string): readonly Endpoint[] =>
  [...zones].map((zone, i) => ({
    addresses: [`127.244.0.${i + 1}`],
    conditions: { ready: zone === zone.toLowerCase() },
    ...(zone === "-" ? {} : { zone: zone.toLowerCase() }),
  }));

const equal = [node("n1", "a", "4"), node("n2", "b", "4000m")];
const rows: readonly (readonly [string, readonly Node[], string, string])[] = [
  ["each keeps its zone", equal, "abab", "abab"],
  ["one moves: b would be overloaded", equal, "aaab", "baab"],
  ["three of six stay within 20 %", equal, "aaabbb", "aaabbb"],
  ["in proportion to CPU", [node("n1", "a", "6"), node("n2", "b", "2")], "aabb", "aaab"],
  ["an endpoint in a zone without nodes stays hinted for it", equal, "aacb", "aacb"],
  ["k8s: nearly equal zones of two", [node("n1", "a", "45"), node("n2", "b", "55")], "ab", "ab"],
  [
    "k8s: three zones, ten endpoints, one moves",
    [node("n1", "a", "35"), node("n2", "b", "35"), node("n3", "c", "30")],
    "abccaaabca",
    "bbccaaabca",
  ],
  [
    "k8s: two endpoints, three zones",
    [node("n1", "a", "3"), node("n2", "b", "4"), node("n3", "c", "3")],
    "ab",
    "Insufficient number of endpoints (2 endpoints, 3 zones)",
  ],
  ["less than a whole one is not moved", [node("n1", "a", "5"), node("n2", "b", "6")], "aaabbb", "aaabbb"],
  ["not ready: no hint", equal, "abBA", "ab.."],
  ["too few endpoints", equal, "a", "Insufficient number of endpoints (1 endpoints, 2 zones)"],
  ["one zone", [node("n1", "a", "4")], "aa", "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"],
  [
    "no zone",
    [...equal, node("n3", "", "4")],
    "ab",
    "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes",
  ],
  [
    "no CPU",
    [...equal, node("n3", "c", "0")],
    "ab",
    "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes",
  ],
  ["the control plane does not count", [...equal, node("n0", "", "4", { "node-role.kubernetes.io/control-plane": "" })], "ab", "ab"],
  ["an endpoint without zone", equal, "aab-", "One or more endpoints do not have a zone specified"],
  [
    "three zones, four endpoints",
    [...equal, node("n3", "c", "4")],
    "aabc",
    "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (4 endpoints, 3 zones)",
  ],
];
for (const [name, nodes, zones, expected] of rows) {
  t.test(name, async (t) => {
    const hints = topologyHints(endpoints(zones), nodes);
    const found = "disabled" in hints ? hints.disabled : [...zones].map((_, i) => hints.zones.get(i) ?? ".").join("");
    t.equal(found, expected);
  });
}

t.test("which annotation", async (t) => {
  t.ok(wantsTopologyHints({ "service.kubernetes.io/topology-mode": "Auto" }));
  t.ok(wantsTopologyHints({ "service.kubernetes.io/topology-aware-hints": "auto" }));
  t.notOk(wantsTopologyHints({ "service.kubernetes.io/topology-mode": "Disabled" }));
  t.notOk(wantsTopologyHints({ "service.kubernetes.io/topology-mode": "Auto", "service.kubernetes.io/topology-aware-hints": "Disabled" }));
  t.notOk(wantsTopologyHints());
});

t.test("the controller writes hints, tells, and follows the nodes", async (t) => {
  const clock = new VirtualClock();
  const random = seededRandom("hints");
  const store = await createStore({ clock, ids: createIds(random) });
  store.admit(...serviceAdmission({ serviceCIDRs: ["127.96.0.0/16"], random, clusterBlocks: ["127.244.0.0/16"] }));
  const controllers = createServiceControllers({ store, clock });
  await controllers.start();
  t.teardown(async () => {
    await controllers.stop();
    await store.close();
  });
  for (const each of equal) await store.create(Nodes, each);
  await store.create(Services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default", annotations: { "service.kubernetes.io/topology-mode": "Auto" } },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
  });
  for (const [i, nodeName] of ["n1", "n1", "n1", "n2"].entries()) {
    const pod: Pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: `web-${i}`, namespace: "default", labels: { app: "web" } },
      spec: { nodeName, containers: [{ name: "main", image: "web" }] },
      status: {
        phase: "Running",
        podIP: `127.244.0.${i + 1}`,
        conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2025-01-01T00:00:00Z" }],
      },
    };
    await store.create(Pods, pod);
    await store.mutate(Pods, "default", `web-${i}`, (draft) => void Object.assign(draft, { status: pod.status }), {
      subresource: "status",
    });
  }
  await store.settle();
  const zones = (): string =>
    store
      .list(EndpointSlices)
      .flatMap((slice) => slice.endpoints ?? [])
      .map((endpoint) => endpoint.hints?.forZones?.map((zone) => zone.name).join() ?? ".")
      .sort()
      .join("");
  const events = (): readonly (string | undefined)[] => store.list(Events).map((event) => event.reason);
  t.equal(zones(), "aabb");
  t.ok(events().includes("TopologyAwareHintsEnabled"));
  await store.delete(Nodes, "", "n2");
  await store.settle();
  t.equal(zones().replaceAll(".", ""), "", "one zone is left: no hints");
  const told = (start: string): boolean =>
    store.list(Events).some((event) => event.message?.startsWith(start) && event.message.endsWith(", addressType: IPv4"));
  t.ok(told("Insufficient Node information"));
  await store.create(Nodes, node("n2", "b", "4"));
  await store.settle();
  t.equal(zones(), "aabb");
  await store.mutate(Services, "default", "web", (draft) => void delete draft.metadata.annotations);
  await store.settle();
  t.equal(zones(), "....");
  t.ok(told("Topology Aware Hints has been disabled"));
});
