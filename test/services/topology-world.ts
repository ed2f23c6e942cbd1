// Nodes and endpoints in zones, and a store whose Services have controllers.
import { VirtualClock } from "../../model/clock.ts";
import { createIds } from "../../model/ids.ts";
import type { Node, Pod } from "../../model/kinds/core-v1.ts";
import type { Endpoint } from "../../model/kinds/discovery-v1.ts";
import { seededRandom } from "../../model/random.ts";
import { EndpointSlices, Events, Pods } from "../../model/resources.ts";
import { createServiceControllers, serviceAdmission } from "../../services/index.ts";
import { createStore, type Store } from "../../store/index.ts";

let nodes = 0;

export const node = (zone: string, cpu: string, labels: Record<string, string> = {}, ready = "True", name = `n${++nodes}`): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, labels: { ...(zone === "" ? {} : { "topology.kubernetes.io/zone": zone }), ...labels } },
  spec: {},
  status: {
    allocatable: { cpu },
    conditions: [{ type: "Ready", status: ready, lastHeartbeatTime: "2025-01-01T00:00:00Z", lastTransitionTime: "2025-01-01T00:00:00Z" }],
  },
});

/** `aab` → three ready endpoints, two in zone a; upper case: not ready; `?`: no conditions, in zone b; `-`: no zone. */
export const endpoints = (zones: string, hints = "", subnet = 0): readonly Endpoint[] =>
  [...zones].map((zone, i) => {
    const hint = hints[i] ?? ".";
    return {
      addresses: [`127.244.${subnet}.${i + 1}`],
      conditions: zone === "?" ? {} : { ready: zone === zone.toLowerCase() },
      ...(zone === "-" ? {} : { zone: zone === "?" ? "b" : zone.toLowerCase() }),
      ...(hint === "." ? {} : { hints: { forZones: [{ name: hint }] } }),
    };
  });

/** The zones for which endpoints are hinted, `.` for none. */
export const hintsOf = (all: readonly Endpoint[]): string =>
  all.map((endpoint) => endpoint.hints?.forZones?.map((zone) => zone.name).join() ?? ".").join("");

export interface ServiceWorld {
  readonly store: Store;
  /** A ready pod of app=web. */
  pod(name: string, nodeName: string | undefined): Promise<void>;
  /** Hints of all endpoints, in the order of their addresses. */
  zones(): string;
  events(): readonly string[];
}

export async function serviceWorld(t: { teardown(callback: () => Promise<void>): void }): Promise<ServiceWorld> {
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
  let pods = 0;
  return {
    store,
    async pod(name, nodeName) {
      const podIP = `127.244.0.${++pods}`;
      const pod: Pod = {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "default", labels: { app: "web" } },
        spec: { ...(nodeName === undefined ? {} : { nodeName }), containers: [{ name: "main", image: "web" }] },
      };
      const status: Pod["status"] = {
        phase: "Running",
        podIP,
        conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2025-01-01T00:00:00Z" }],
      };
      await store.create(Pods, pod);
      await store.mutate(Pods, "default", name, (draft) => void Object.assign(draft, { status }), { subresource: "status" });
    },
    zones() {
      const all = store.list(EndpointSlices).flatMap((slice) => slice.endpoints ?? []);
      return hintsOf(all.toSorted((a, b) => ((a.addresses[0] ?? "") < (b.addresses[0] ?? "") ? -1 : 1)));
    },
    events: () => store.list(Events).map(({ type, reason, message }) => `${type} ${reason}: ${message}`),
  };
}
