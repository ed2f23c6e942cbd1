// What a write may change: the generic part of upstream's registry strategies. Pure functions from old and new object to what is stored.
// Upstream: apiserver pkg/registry/rest/{create,update,delete}.go and each kind's strategy.go.
import { type Clock, timestamp } from "../model/clock.ts";
import { badRequest, conflict, invalid, StatusError } from "../model/errors.ts";
import type { Ids } from "../model/ids.ts";
import { type Draft, draft, equalJson, type KubeObject } from "../model/object.ts";
import { apiVersionOf, Namespaces, Nodes, Pods, qualifiedResource, type ResourceType, type Subresource } from "../model/resources.ts";
import type { DeleteOptions, WriteOptions } from "./contract.ts";

/** Any kind's object with the parts that strategies look at. */
export interface AnyObject extends KubeObject {
  readonly spec?: { readonly finalizers?: readonly string[]; readonly nodeName?: string; readonly terminationGracePeriodSeconds?: number };
  readonly status?: { readonly phase?: string };
}

const MAX_GENERATED_BASE = 58;
/** Generated names tried until one is free, as apiserver's RetryGenerateName does. */
const NAME_TRIES = 8;
/** Kinds whose metadata.generation counts changes of the desired state. */
const COUNTS_GENERATION = new Set([
  "Deployment",
  "ReplicaSet",
  "StatefulSet",
  "DaemonSet",
  "Job",
  "CronJob",
  "Ingress",
  "IngressClass",
  "NetworkPolicy",
  "EndpointSlice",
  "ServiceCIDR",
  "Fault",
]);

/** The object as it is first stored, before admission. */
export function prepareCreate(
  type: ResourceType,
  object: KubeObject,
  context: {
    readonly clock: Clock;
    readonly ids: Ids;
    readonly options: WriteOptions;
    readonly taken: (name: string, namespace: string) => boolean;
  },
): Draft<AnyObject> {
  const made = draft<AnyObject>(object);
  const { metadata } = made;
  if (metadata.resourceVersion) throw badRequest("resourceVersion should not be set on objects to be created");
  if (type.namespaced) metadata.namespace ||= "default";
  else delete metadata.namespace;
  if (!metadata.name && metadata.generateName) {
    const base = metadata.generateName.slice(0, MAX_GENERATED_BASE);
    for (let tries = 0; tries < NAME_TRIES; tries++) {
      metadata.name = [base, context.ids.suffix()].join("");
      if (!context.taken(metadata.name, metadata.namespace ?? "")) break;
    }
  }
  if (!metadata.name) {
    throw invalid(type, "", [{ type: "Required", field: "metadata.name", detail: "name or generateName is required" }]);
  }
  metadata.uid = context.ids.uid();
  metadata.creationTimestamp = timestamp(context.clock);
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  if (COUNTS_GENERATION.has(type.kind)) metadata.generation = 1;
  else delete metadata.generation;
  made.apiVersion = apiVersionOf(type);
  made.kind = type.kind;
  if (context.options.external && type.subresources.includes("status") && type !== Nodes) delete made.status;
  if (type === Pods) made.status = { ...made.status, phase: made.status?.phase ?? "Pending" };
  if (type === Namespaces) {
    made.spec = { ...made.spec, finalizers: made.spec?.finalizers ?? ["kubernetes"] };
    made.status = { phase: "Active" };
  }
  return made;
}

/** The object as an update would store it, before admission: immutable metadata restored, the other half kept. */
export function prepareUpdate(
  type: ResourceType,
  object: KubeObject,
  old: AnyObject,
  subresource: Subresource | undefined,
): Draft<AnyObject> {
  const { resourceVersion, uid } = object.metadata;
  if (resourceVersion && resourceVersion !== old.metadata.resourceVersion) throw conflict(type, old.metadata.name);
  if (uid && uid !== old.metadata.uid) {
    const detail = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`;
    throw conflict(type, old.metadata.name, detail);
  }
  const wanted = draft<AnyObject>(object);
  const made = subresource === "status" ? draft(withStatusOf(old, wanted)) : wanted;
  if (subresource === "status") {
    if (wanted.metadata.managedFields) made.metadata.managedFields = wanted.metadata.managedFields;
    if ((type === Nodes || type === Pods) && wanted.metadata.annotations) made.metadata.annotations = wanted.metadata.annotations;
  } else if (type.subresources.includes("status")) {
    if (old.status === undefined) delete made.status;
    else made.status = draft(old.status);
  }
  made.apiVersion = old.apiVersion;
  made.kind = old.kind;
  restoreSystemMetadata(made, old);
  return made;
}

const withStatusOf = (old: AnyObject, { status }: AnyObject): AnyObject => (status === undefined ? old : { ...old, status });

function restoreSystemMetadata(made: Draft<AnyObject>, old: AnyObject): void {
  const {
    name,
    namespace,
    uid,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    generation,
    resourceVersion,
    generateName,
  } = old.metadata;
  const system = {
    name,
    namespace,
    uid,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    generation,
    resourceVersion,
    generateName,
  };
  for (const [key, value] of Object.entries(system)) {
    if (value === undefined) delete made.metadata[key as keyof typeof system];
    else Object.assign(made.metadata, { [key]: value });
  }
}

/** The object with one more in its generation when the desired state (all but metadata and status) changed, as admission left it. */
export function countGeneration(type: ResourceType, made: AnyObject, old: AnyObject): AnyObject {
  if (made === old || !COUNTS_GENERATION.has(type.kind)) return made;
  const desired = ({ metadata: _m, status: _s, ...rest }: Record<string, unknown>): unknown => rest;
  if (equalJson(desired({ ...made }), desired({ ...old }))) return made;
  return { ...made, metadata: { ...made.metadata, generation: (old.metadata.generation ?? 0) + 1 } };
}

export function checkPreconditions(type: ResourceType, old: KubeObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const { metadata } = old;
  if (uid !== undefined && uid !== metadata.uid) {
    throw conflict(type, metadata.name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`);
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    const detail = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`;
    throw conflict(type, metadata.name, detail);
  }
}

/**
 * What a delete stores instead of removing, or undefined when the object goes at once: a deletionTimestamp while finalizers or a pod's grace
 * period hold it.
 */
export function prepareDelete(type: ResourceType, old: AnyObject, options: DeleteOptions, clock: Clock): Draft<AnyObject> | undefined {
  const made = draft(old);
  const finalizers = new Set(made.metadata.finalizers ?? []);
  if (options.propagationPolicy !== undefined) {
    finalizers.delete("foregroundDeletion");
    finalizers.delete("orphan");
    if (options.propagationPolicy === "Foreground") finalizers.add("foregroundDeletion");
    if (options.propagationPolicy === "Orphan") finalizers.add("orphan");
  }
  if (finalizers.size > 0) made.metadata.finalizers = [...finalizers];
  else delete made.metadata.finalizers;
  const graceSeconds = type === Pods ? podGraceSeconds(old, options) : 0;
  const held = finalizers.size > 0 || graceSeconds > 0 || (type === Namespaces && (old.spec?.finalizers?.length ?? 0) > 0);
  if (!held) return undefined;
  if (type === Namespaces) made.status = { ...made.status, phase: "Terminating" };
  if (made.metadata.deletionTimestamp === undefined || graceSeconds < (made.metadata.deletionGracePeriodSeconds ?? 0)) {
    made.metadata.deletionTimestamp = new Date(clock.now() + graceSeconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
    made.metadata.deletionGracePeriodSeconds = graceSeconds;
    if (made.metadata.generation !== undefined) made.metadata.generation++;
  }
  return made;
}

function podGraceSeconds(pod: AnyObject, options: DeleteOptions): number {
  if (!pod.spec?.nodeName || pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") return 0;
  const asked = options.gracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
  const seconds = asked < 0 ? 1 : asked;
  return pod.metadata.deletionTimestamp === undefined ? seconds : Math.min(seconds, pod.metadata.deletionGracePeriodSeconds ?? seconds);
}

/** True when a write leaves an object that only waited for this: deletion asked for, nothing holding it any more. */
export function isReleased(type: ResourceType, made: AnyObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = made.metadata;
  if (deletionTimestamp === undefined || finalizers.length > 0) return false;
  if (type === Namespaces) return (made.spec?.finalizers?.length ?? 0) === 0;
  return type !== Pods || deletionGracePeriodSeconds === 0;
}

/** The refusal of a write that would change another process's object after too many tries. */
export function tooManyConflicts(type: ResourceType, name: string): StatusError {
  return new StatusError(500, "InternalError", `${qualifiedResource(type)} "${name}": write lost against concurrent writes too often`);
}
