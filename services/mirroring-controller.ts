// Mirrors hand-made Endpoints of Services without a selector into EndpointSlices, which is what proxies and DNS read.
// Upstream: pkg/controller/endpointslicemirroring.
import type { Clock } from "../model/clock.ts";
import type { IpFamily } from "../model/ip.ts";
import type { Endpoints } from "../model/kinds/core-v1.ts";
import { keyOf, type ObjectKey, splitKey } from "../model/object.ts";
import type { Component } from "../model/ports.ts";
import { EndpointSlices, EndpointsResource, Services } from "../model/resources.ts";
import type { Store } from "../store/contract.ts";
import { createController, on } from "../store/controller.ts";
import { createEventRecorder } from "../store/event-recorder.ts";
import { MANAGED_BY, SERVICE_NAME } from "./endpoint-slice-controller.ts";
import { MAX_PER_SUBSET, mirroredSubsets, mirrorSlices } from "./mirrored-slices.ts";
import { serviceKeyOf } from "./selector-index.ts";
import { isStale, type SliceTemplate, writeSlices } from "./slice-writer.ts";
import { TRIGGER_TIME } from "./trigger-times.ts";

const CONTROLLER = "endpointslicemirroring-controller.k8s.io";
const SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror";
const NOT_MIRRORED = [TRIGGER_TIME, "kubectl.kubernetes.io/last-applied-configuration", "control-plane.alpha.kubernetes.io/leader"];

export function createMirroringController({ store, clock }: { readonly store: Store; readonly clock: Clock }): Component {
  const recorder = createEventRecorder({ store, clock, component: "endpoint-slice-mirroring-controller" });
  const tellSkipped = (endpoints: Endpoints, skipped: number): void => {
    if (skipped === 0) return;
    const message = `A max of ${MAX_PER_SUBSET} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped} addresses were skipped`;
    recorder.event(endpoints, "Warning", "TooManyAddressesToMirror", message);
  };
  const reconcile = async (key: ObjectKey): Promise<void> => {
    const { namespace, name } = splitKey(key);
    const slices = store.list(EndpointSlices, {
      namespace,
      labels: (labels) => labels?.[SERVICE_NAME] === name && labels[MANAGED_BY] === CONTROLLER,
    });
    const endpoints = store.get(EndpointsResource, namespace, name);
    const service = store.get(Services, namespace, name);
    const mirrored = endpoints && isMirrored(endpoints) && service && Object.keys(service.spec?.selector ?? {}).length === 0;
    const subsets = mirroredSubsets(mirrored ? (endpoints.subsets ?? []) : []);
    for (const family of ["IPv4", "IPv6"] as const) {
      const existing = slices.filter((slice) => slice.addressType === family);
      const template = templateOf(endpoints, namespace, name, family);
      const changes = mirrorSlices(existing, subsets, family, (slice) => isStale(slice, template));
      if (mirrored && changes.create.length + changes.update.length > 0) tellSkipped(endpoints, subsets.skipped);
      await writeSlices(store, endpoints?.metadata.deletionTimestamp === undefined ? changes : { ...changes, create: [] }, template);
    }
  };
  return createController({
    name: "endpointslicemirroring-controller",
    store,
    clock,
    watches: [
      on(EndpointsResource, (endpoints) => [keyOf(endpoints)]),
      on(Services, (service) => [keyOf(service)]),
      on(EndpointSlices, serviceKeyOf),
    ],
    reconcile,
  });
}

function isMirrored({ metadata }: Endpoints): boolean {
  return metadata.labels?.[SKIP_MIRROR] !== "true" && metadata.annotations?.["control-plane.alpha.kubernetes.io/leader"] === undefined;
}

function templateOf(endpoints: Endpoints | undefined, namespace: string, name: string, family: IpFamily): SliceTemplate {
  const { labels = {}, annotations = {}, uid = "" } = endpoints?.metadata ?? {};
  return {
    namespace,
    generateName: `${name}-`,
    addressType: family,
    labels: {
      ...labels,
      [SERVICE_NAME]: name,
      [MANAGED_BY]: CONTROLLER,
    },
    annotations: Object.fromEntries(Object.entries(annotations).filter(([key]) => !NOT_MIRRORED.includes(key))),
    owner: { apiVersion: "v1", kind: "Endpoints", name, uid, controller: true, blockOwnerDeletion: true },
    triggerTime: undefined,
  };
}
