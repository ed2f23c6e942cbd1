// Keeps the EndpointSlices of Services with a selector. Upstream: pkg/controller/endpointslice, k8s.io/endpointslice.
import type { Clock } from "../model/clock.ts";
import { ipFamily, type IpFamily } from "../model/ip.ts";
import type { Pod, Service } from "../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../model/kinds/discovery-v1.ts";
import { type ObjectKey, splitKey } from "../model/object.ts";
import type { Component } from "../model/ports.ts";
import { EndpointSlices, Nodes, Pods, Services } from "../model/resources.ts";
import { matchesSelectorMap } from "../model/selectors.ts";
import type { Store } from "../store/contract.ts";
import { AutoHints } from "./auto-hints.ts";
import { createEventRecorder } from "../store/event-recorder.ts";
import { createController, on } from "../store/controller.ts";
import { isInEndpoints, type PodEndpoint, podEndpoint, podIp } from "./pod-endpoints.ts";
import { SelectorIndex, serviceKeyOf } from "./selector-index.ts";
import { type PackedSlices, packSlices, withoutHints } from "./slice-packing.ts";
import { isStale, type SliceTemplate, unreserved, writeSlices } from "./slice-writer.ts";
import { wantsTopologyHints } from "./topology-hints.ts";
import { distributesTraffic, distributionHints } from "./traffic-distribution.ts";
import { TriggerTimes } from "./trigger-times.ts";

export const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
export const SERVICE_NAME = "kubernetes.io/service-name";
export const HEADLESS = "service.kubernetes.io/headless";
const CONTROLLER = "endpointslice-controller.k8s.io";

export interface EndpointSliceControllerOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Default 100, at most 1000. */
  readonly maxEndpointsPerSlice?: number;
}

export function createEndpointSliceController({ store, clock, maxEndpointsPerSlice = 100 }: EndpointSliceControllerOptions): Component {
  const index = new SelectorIndex(store);
  const triggers = new TriggerTimes();
  const hints = new AutoHints(store, clock);
  const recorder = createEventRecorder({ store, clock, component: "endpoint-slice-controller" });
  const waitingForNodes = new Set<ObjectKey>();

  const reconcile = async (key: ObjectKey): Promise<void> => {
    const { namespace, name } = splitKey(key);
    const service = store.get(Services, namespace, name);
    waitingForNodes.delete(key);
    if (!service) {
      triggers.forget(key);
      return hints.forget(key);
    }
    if (!hasManagedEndpoints(service)) return;
    const pods = podsOf(store, service);
    const all = store
      .list(EndpointSlices, { namespace, labels: (labels) => labels?.[SERVICE_NAME] === name && labels[MANAGED_BY] === CONTROLLER })
      .filter((slice) => slice.metadata.deletionTimestamp === undefined);
    const slices = all.filter((slice) => isOwnedBy(slice, service));
    const triggerTime = triggers.take(service, pods);
    const families = familiesOf(service);
    const missing = new Set<string>();
    for (const { addressType } of slices) if (!families.some((family) => family === addressType)) hints.drop(key, addressType);
    for (const family of families) {
      const desired: PodEndpoint[] = [];
      for (const pod of pods) {
        if (!isInEndpoints(pod, true)) continue;
        const { nodeName = "" } = pod.spec ?? {};
        const node = store.get(Nodes, "", nodeName);
        if (!node && service.spec?.publishNotReadyAddresses !== true) {
          waitingForNodes.add(key);
          missing.add(`skipping Pod ${pod.metadata.name} for Service ${key}: Node ${nodeName} Not Found`);
          continue;
        }
        const ip = podIp(pod, family);
        if (ip !== undefined) desired.push(podEndpoint(service, pod, ip, node));
      }
      const template = templateOf(service, family, triggerTime);
      const existing = slices.filter((slice) => slice.addressType === family);
      const stale = (slice: EndpointSlice): boolean => isStale(slice, template);
      const changes = packSlices(existing, desired, maxEndpointsPerSlice, stale, (packed) => hint(service, family, packed));
      await writeSlices(store, service.metadata.deletionTimestamp !== undefined ? { ...changes, create: [] } : changes, template);
    }
    const unwanted = all.filter((slice) => !slices.includes(slice) || !families.some((family) => family === slice.addressType));
    await writeSlices(store, { create: [], update: [], remove: unwanted }, templateOf(service, "IPv4", undefined));
    if (missing.size > 0) {
      const text = missing.size === 1 ? [...missing].join() : `[${[...missing].join(", ")}]`;
      recorder.event(service, "Warning", "FailedToUpdateEndpointSlices", `Error updating Endpoint Slices for Service ${key}: ${text}`);
    }
  };

  const hint = (service: Service, family: IpFamily, packed: PackedSlices): PackedSlices => {
    if (wantsTopologyHints(service.metadata.annotations)) return hints.apply(service, family, packed);
    hints.withdraw(service, family);
    const { trafficDistribution } = service.spec ?? {};
    return distributesTraffic(trafficDistribution) ? distributionHints(trafficDistribution, packed) : withoutHints(packed);
  };

  return createController({
    name: "endpointslice-controller",
    store,
    clock,
    watches: [...index.watches, on(EndpointSlices, serviceKeyOf), on(Nodes, () => [...waitingForNodes, ...hints.nodesChanged()])],
    reconcile,
  });
}

/** Services whose endpoints come from pods: those with a selector, but no ExternalNames. */
export function hasManagedEndpoints({ spec }: Service): boolean {
  return spec?.type !== "ExternalName" && Object.keys(spec?.selector ?? {}).length > 0;
}

/** Slices of an earlier Service of the same name are not taken over. */
function isOwnedBy(slice: EndpointSlice, { metadata }: Service): boolean {
  return (
    slice.metadata.ownerReferences?.some(
      ({ apiVersion, kind, uid }) => apiVersion === "v1" && kind === "Service" && uid === metadata.uid,
    ) ?? false
  );
}

export function podsOf(store: Store, service: Service): readonly Pod[] {
  return store.list(Pods, {
    namespace: service.metadata.namespace ?? "",
    labels: (labels) => matchesSelectorMap(service.spec?.selector, labels),
  });
}

export function isHeadlessService({ spec: { clusterIP = "" } = {} }: Service): boolean {
  return clusterIP === "None" || clusterIP === "";
}

function familiesOf({ spec }: Service): readonly IpFamily[] {
  const families = (spec?.ipFamilies ?? []).filter((family): family is IpFamily => family === "IPv4" || family === "IPv6");
  if (families.length > 0) return families;
  const family = ipFamily(spec?.clusterIP ?? "");
  return family ? [family] : ["IPv4", "IPv6"];
}

function templateOf(service: Service, family: IpFamily, triggerTime: string | undefined): SliceTemplate {
  const { namespace = "", name, uid = "", labels = {} } = service.metadata;
  return {
    namespace,
    generateName: `${name}-`,
    addressType: family,
    labels: {
      ...unreserved(labels),
      ...(isHeadlessService(service) ? { [HEADLESS]: "" } : {}),
      [SERVICE_NAME]: name,
      [MANAGED_BY]: CONTROLLER,
    },
    annotations: undefined,
    owner: { apiVersion: "v1", kind: "Service", name, uid, controller: true, blockOwnerDeletion: true },
    triggerTime,
  };
}
