// The garbage collector: what is owned goes when its owners have gone; foreground and orphan deletions are carried out.
// Upstream: pkg/controller/garbagecollector. Left out: the graph builder's virtual nodes (the store itself is asked for owners).
import { isStatus } from "../../model/errors.ts";
import type { OwnerReference } from "../../model/kinds/meta-v1.ts";
import { keyOf, namespaceOf, splitKey, type KubeObject } from "../../model/object.ts";
import type { Component } from "../../model/ports.ts";
import { Events, resourceOfKind, type ResourceType } from "../../model/resources.ts";
import type { Store } from "../../store/contract.ts";
import { createController, on } from "../../store/controller.ts";
import type { ControllerDependencies } from "./dependencies.ts";

const FOREGROUND = "foregroundDeletion";
const ORPHAN = "orphan";

/** Deletes dependents of owners that are gone. */
export function createGarbageCollector({ store, clock }: ControllerDependencies): Component {
  const types = store.resources.filter((type) => type !== Events);
  const graph = new OwnerGraph();
  return createController({
    name: "garbage-collector",
    store,
    clock,
    watches: types.map((type) => on(type, (object) => graph.observe(type, object))),
    async reconcile(key) {
      const item = graph.find(types, key);
      if (!item) return;
      const object = store.get(item.type, item.namespace, item.name);
      if (!object) return graph.forget(key);
      if (object.metadata.deletionTimestamp !== undefined) await finishDeletion(store, graph, types, item.type, object);
      else if (object.metadata.ownerReferences?.length) await collect(store, item.type, object, object.metadata.ownerReferences);
    },
  });
}

/** Who depends on whom, by the owner's uid. Keys are `group/resource namespace/name`. */
class OwnerGraph {
  readonly #dependents = new Map<string, Set<string>>();
  readonly #owners = new Map<string, readonly string[]>();

  /** Notes an object's owners; returns what to look at: itself when it matters, and its dependents. */
  observe(type: ResourceType, object: KubeObject): readonly string[] {
    const key = `${type.group}/${type.resource} ${keyOf(object)}`;
    const owners = (object.metadata.ownerReferences ?? []).map((reference) => reference.uid);
    for (const uid of owners) {
      const dependents = this.#dependents.get(uid) ?? new Set();
      this.#dependents.set(uid, dependents.add(key));
    }
    if (owners.length > 0) this.#owners.set(key, owners);
    const dependents = this.dependentsOf(object.metadata.uid ?? "");
    const held = object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).length > 0;
    return owners.length > 0 || held ? [key, ...owners.flatMap((uid) => this.#ownerKeys(uid)), ...dependents] : dependents;
  }
  /** Owners that wait for this dependent to go are looked at again when it changes. */
  #ownerKeys(uid: string): readonly string[] {
    const key = this.#waiting.get(uid);
    return key === undefined ? [] : [key];
  }
  readonly #waiting = new Map<string, string>();
  waits(uid: string, type: ResourceType, object: KubeObject): void {
    this.#waiting.set(uid, `${type.group}/${type.resource} ${keyOf(object)}`);
  }
  dependentsOf(uid: string): readonly string[] {
    return [...(this.#dependents.get(uid) ?? [])];
  }
  forget(key: string): void {
    for (const uid of this.#owners.get(key) ?? []) {
      const dependents = this.#dependents.get(uid);
      dependents?.delete(key);
      if (dependents?.size === 0) this.#dependents.delete(uid);
    }
    this.#owners.delete(key);
  }
  stopWaiting(uid: string): void {
    this.#waiting.delete(uid);
  }
  find(
    types: readonly ResourceType[],
    key: string,
  ): { readonly type: ResourceType; readonly namespace: string; readonly name: string } | undefined {
    const space = key.indexOf(" ");
    const type = types.find((candidate) => `${candidate.group}/${candidate.resource}` === key.slice(0, space));
    return type && { type, ...splitKey(key.slice(space + 1)) };
  }
}

/** "gone", "present", or "waiting" when the owner is being deleted and waits for its dependents. */
function ownerState(store: Store, namespace: string, reference: OwnerReference): "gone" | "present" | "waiting" {
  const type = resourceOfKind(store.resources, reference.apiVersion, reference.kind);
  if (!type) return "present";
  const owner = store.get(type, type.namespaced ? namespace : "", reference.name);
  if (!owner || owner.metadata.uid !== reference.uid) return "gone";
  const { deletionTimestamp, finalizers = [] } = owner.metadata;
  return deletionTimestamp !== undefined && finalizers.includes(FOREGROUND) ? "waiting" : "present";
}

async function collect(store: Store, type: ResourceType, object: KubeObject, references: readonly OwnerReference[]): Promise<void> {
  const namespace = namespaceOf(object);
  const states = references.map((reference) => ({ reference, state: ownerState(store, namespace, reference) }));
  const present = states.filter(({ state }) => state === "present");
  if (present.length === references.length) return;
  if (present.length > 0) {
    const ownerReferences = present.map(({ reference }) => reference);
    await tolerate(store.update(type, { ...object, metadata: { ...object.metadata, ownerReferences } }));
    return;
  }
  const waiting = states.some(({ state }) => state === "waiting");
  const finalizers = object.metadata.finalizers ?? [];
  const propagationPolicy = finalizers.includes(ORPHAN)
    ? "Orphan"
    : finalizers.includes(FOREGROUND) || waiting
      ? "Foreground"
      : "Background";
  const preconditions = object.metadata.uid === undefined ? {} : { uid: object.metadata.uid };
  await tolerate(store.delete(type, namespace, object.metadata.name, { propagationPolicy, preconditions }));
}

async function finishDeletion(
  store: Store,
  graph: OwnerGraph,
  types: readonly ResourceType[],
  type: ResourceType,
  object: KubeObject,
): Promise<void> {
  const { finalizers = [], uid = "" } = object.metadata;
  const dependents = graph.dependentsOf(uid).flatMap((key) => {
    const item = graph.find(types, key);
    const dependent = item && store.get(item.type, item.namespace, item.name);
    const reference = dependent?.metadata.ownerReferences?.find((owner) => owner.uid === uid);
    return item && dependent && reference ? [{ type: item.type, dependent, reference }] : [];
  });
  if (finalizers.includes(ORPHAN)) {
    for (const { type: dependentType, dependent } of dependents) {
      const ownerReferences = (dependent.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
      await tolerate(store.update(dependentType, { ...dependent, metadata: { ...dependent.metadata, ownerReferences } }));
    }
    await removeFinalizer(store, type, object, ORPHAN);
  } else if (finalizers.includes(FOREGROUND)) {
    for (const { type: dependentType, dependent } of dependents) {
      if (dependent.metadata.deletionTimestamp === undefined)
        await collect(store, dependentType, dependent, dependent.metadata.ownerReferences ?? []);
    }
    const blocked = dependents.some(({ type: dependentType, dependent, reference }) => {
      const still = store.get(dependentType, namespaceOf(dependent), dependent.metadata.name);
      return still?.metadata.uid === dependent.metadata.uid && reference.blockOwnerDeletion === true;
    });
    if (blocked) return graph.waits(uid, type, object);
    graph.stopWaiting(uid);
    await removeFinalizer(store, type, object, FOREGROUND);
  }
}

async function removeFinalizer(store: Store, type: ResourceType, object: KubeObject, finalizer: string): Promise<void> {
  await tolerate(
    store.mutate(type, namespaceOf(object), object.metadata.name, (edited) => {
      const left = (edited.metadata.finalizers ?? []).filter((other) => other !== finalizer);
      if (left.length > 0) edited.metadata.finalizers = left;
      else delete edited.metadata.finalizers;
    }),
  );
}

/** The object may have gone or changed meanwhile; its change brings it here again. */
async function tolerate(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isStatus(error, "NotFound") && !isStatus(error, "Conflict")) throw error;
  }
}
