// Which objects a controller owns: its own, orphans that match its selector (adopted), and its own that match no longer (released).
// Upstream: pkg/controller/controller_ref_manager.go.
import { isStatus } from "../../model/errors.ts";
import { controllerOf, type KubeObject } from "../../model/object.ts";
import type { OwnerReference } from "../../model/kinds/meta-v1.ts";
import type { ResourceType } from "../../model/resources.ts";
import type { LabelMatcher } from "../../model/selectors.ts";
import type { Store } from "../../store/contract.ts";

/** The reference by which `owner` controls its dependents. */
export function controllerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

export interface ClaimOptions<T extends KubeObject> {
  readonly store: Store;
  readonly type: ResourceType<T>;
  readonly owner: KubeObject;
  readonly matches: LabelMatcher;
}

/** The objects of `type` in the owner's namespace that it controls after adopting and releasing. */
export async function claim<T extends KubeObject>({ store, type, owner, matches }: ClaimOptions<T>): Promise<readonly T[]> {
  const namespace = owner.metadata.namespace ?? "";
  const uid = owner.metadata.uid;
  const owned: T[] = [];
  for (const candidate of store.list(type, { namespace })) {
    const controller = controllerOf(candidate);
    if (controller && controller.uid !== uid) continue;
    const matching = matches(candidate.metadata.labels);
    if (controller && matching) owned.push(candidate);
    else if (controller && owner.metadata.deletionTimestamp === undefined) await release(store, type, candidate, uid);
    else if (!controller && matching && adoptable(candidate, owner)) {
      const adopted = await adopt(store, type, candidate, owner);
      if (adopted) owned.push(adopted);
    }
  }
  return owned;
}

function adoptable(candidate: KubeObject, owner: KubeObject): boolean {
  return candidate.metadata.deletionTimestamp === undefined && owner.metadata.deletionTimestamp === undefined;
}

async function adopt<T extends KubeObject>(store: Store, type: ResourceType<T>, candidate: T, owner: KubeObject): Promise<T | undefined> {
  const ownerReferences = [...(candidate.metadata.ownerReferences ?? []), controllerReference(owner)];
  return write(store, type, { ...candidate, metadata: { ...candidate.metadata, ownerReferences } });
}

async function release<T extends KubeObject>(store: Store, type: ResourceType<T>, candidate: T, uid: string | undefined): Promise<void> {
  const ownerReferences = (candidate.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== uid);
  await write(store, type, { ...candidate, metadata: { ...candidate.metadata, ownerReferences } });
}

async function write<T extends KubeObject>(store: Store, type: ResourceType<T>, object: T): Promise<T | undefined> {
  try {
    return await store.update(type, object);
  } catch (error) {
    if (isStatus(error, "NotFound") || isStatus(error, "Conflict")) return undefined;
    throw error;
  }
}
