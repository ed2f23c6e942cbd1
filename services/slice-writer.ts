// Writes packed slices: metadata, creates, updates and deletes. Shared by the EndpointSlice controller and the mirroring one.
import type { EndpointSlice } from "../model/kinds/discovery-v1.ts";
import type { OwnerReference } from "../model/kinds/meta-v1.ts";
import { isStatus } from "../model/errors.ts";
import { equalJson } from "../model/object.ts";
import { EndpointSlices } from "../model/resources.ts";
import type { Store } from "../store/contract.ts";
import type { SliceChanges, SliceContent } from "./slice-packing.ts";
import { TRIGGER_TIME } from "./trigger-times.ts";

/** What all slices of one owner and family have in common. */
export interface SliceTemplate {
  readonly namespace: string;
  /** Slices are called `<generateName>xxxxx`. */
  readonly generateName: string;
  readonly addressType: string;
  readonly labels: { readonly [key: string]: string };
  /** Undefined: a slice keeps what others have written there. */
  readonly annotations: { readonly [key: string]: string } | undefined;
  readonly owner: OwnerReference;
  readonly triggerTime: string | undefined;
}

/** Labels that say what a slice is for: they are written with the others, but are no reason to write. */
const RESERVED_LABELS = ["kubernetes.io/service-name", "endpointslice.kubernetes.io/managed-by", "service.kubernetes.io/headless"];

/** True when a slice's metadata is not what the template says. */
export function isStale(slice: EndpointSlice, template: SliceTemplate): boolean {
  const annotations = ownAnnotations(slice);
  const labels = unreserved(slice.metadata.labels);
  return !equalJson(labels, unreserved(template.labels)) || !equalJson(annotations, template.annotations ?? annotations);
}

export function unreserved(labels: { readonly [key: string]: string } = {}): { readonly [key: string]: string } {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !RESERVED_LABELS.includes(key)));
}

/** All but the trigger time. */
function ownAnnotations(slice: EndpointSlice | undefined): { readonly [key: string]: string } {
  const { [TRIGGER_TIME]: _time, ...annotations } = slice?.metadata.annotations ?? {};
  return annotations;
}

/** Carries out the changes. A namespace that is going away takes no new slices. */
export async function writeSlices(store: Store, changes: SliceChanges, template: SliceTemplate): Promise<void> {
  for (const content of changes.create) {
    try {
      await store.create(EndpointSlices, dress(undefined, content, template));
    } catch (error) {
      if (!isStatus(error, "Forbidden") && !isStatus(error, "NotFound")) throw error;
    }
  }
  for (const { slice, content } of changes.update) await store.update(EndpointSlices, dress(slice, content, template));
  for (const slice of changes.remove) {
    try {
      await store.delete(EndpointSlices, slice.metadata.namespace ?? "", slice.metadata.name);
    } catch (error) {
      if (!isStatus(error, "NotFound")) throw error;
    }
  }
}

function dress(slice: EndpointSlice | undefined, { ports, endpoints }: SliceContent, template: SliceTemplate): EndpointSlice {
  const { namespace, generateName, addressType, labels, owner, triggerTime } = template;
  const annotations = {
    ...(template.annotations ?? ownAnnotations(slice)),
    ...(triggerTime === undefined ? {} : { [TRIGGER_TIME]: triggerTime }),
  };
  const { annotations: _annotations, ...metadata } = slice?.metadata ?? { name: "", generateName, namespace };
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...metadata, labels, ownerReferences: [owner], ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
    addressType,
    endpoints,
    ports,
  };
}
