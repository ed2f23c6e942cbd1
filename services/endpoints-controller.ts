// Keeps the Endpoints object of each Service with a selector. Upstream: pkg/controller/endpoint (deprecated there, still running).
import type { Clock } from "../model/clock.ts";
import { isStatus } from "../model/errors.ts";
import type { Endpoints, Service } from "../model/kinds/core-v1.ts";
import { equalJson, keyOf, type ObjectKey, splitKey } from "../model/object.ts";
import type { Component } from "../model/ports.ts";
import { EndpointsResource, Services } from "../model/resources.ts";
import type { Store } from "../store/contract.ts";
import { createController, on } from "../store/controller.ts";
import { HEADLESS, hasManagedEndpoints, isHeadlessService, podsOf } from "./endpoint-slice-controller.ts";
import { endpointSubsets } from "./endpoint-subsets.ts";
import { SelectorIndex } from "./selector-index.ts";
import { TRIGGER_TIME, TriggerTimes } from "./trigger-times.ts";

const MANAGED_BY = "endpoints.kubernetes.io/managed-by";
const OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity";
export const ENDPOINTS_CONTROLLER = "endpoint-controller";

export function createEndpointsController({ store, clock }: { readonly store: Store; readonly clock: Clock }): Component {
  const index = new SelectorIndex(store);
  const triggers = new TriggerTimes();
  /** Services seen: with a Service its Endpoints go, also hand-made ones. */
  const seen = new Set<ObjectKey>();

  const reconcile = async (key: ObjectKey): Promise<void> => {
    const { namespace, name } = splitKey(key);
    const service = store.get(Services, namespace, name);
    const existing = store.get(EndpointsResource, namespace, name);
    if (!service) {
      triggers.forget(key);
      const orphaned = seen.delete(key) || existing?.metadata.labels?.[MANAGED_BY] === ENDPOINTS_CONTROLLER;
      if (existing && orphaned) await remove(store, existing);
      return;
    }
    seen.add(key);
    if (!hasManagedEndpoints(service)) return;
    const pods = podsOf(store, service);
    const { subsets, truncated } = endpointSubsets(service, pods);
    const triggerTime = triggers.take(service, pods);
    const labels = labelsOf(service);
    const { [TRIGGER_TIME]: _time, [OVER_CAPACITY]: _over, ...rest } = existing?.metadata.annotations ?? {};
    const wasTruncated = existing?.metadata.annotations?.[OVER_CAPACITY] !== undefined;
    if (
      existing &&
      equalJson(existing.subsets ?? [], subsets) &&
      equalJson(existing.metadata.labels ?? {}, labels) &&
      wasTruncated === truncated
    )
      return;
    const annotations = {
      ...rest,
      ...(triggerTime === undefined ? {} : { [TRIGGER_TIME]: triggerTime }),
      ...(truncated ? { [OVER_CAPACITY]: "truncated" } : {}),
    };
    const { annotations: _annotations, ...metadata } = existing?.metadata ?? { name, namespace };
    const desired: Endpoints = {
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: { ...metadata, labels, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
      subsets,
    };
    try {
      if (existing) await store.update(EndpointsResource, desired);
      else await store.create(EndpointsResource, desired);
    } catch (error) {
      if (!isStatus(error, "Forbidden") && !isStatus(error, "NotFound")) throw error;
    }
  };

  return createController({
    name: "endpoint-controller",
    store,
    clock,
    watches: [...index.watches, on(EndpointsResource, (endpoints) => [keyOf(endpoints)])],
    reconcile,
  });
}

function labelsOf(service: Service): { readonly [key: string]: string } {
  const { [HEADLESS]: _headless, ...labels } = service.metadata.labels ?? {};
  return { ...labels, ...(isHeadlessService(service) ? { [HEADLESS]: "" } : {}), [MANAGED_BY]: ENDPOINTS_CONTROLLER };
}

async function remove(store: Store, endpoints: Endpoints): Promise<void> {
  try {
    await store.delete(EndpointsResource, endpoints.metadata.namespace ?? "", endpoints.metadata.name);
  } catch (error) {
    if (!isStatus(error, "NotFound")) throw error;
  }
}
