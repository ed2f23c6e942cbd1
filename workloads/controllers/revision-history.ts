// The templates that a StatefulSet or DaemonSet has had, as ControllerRevisions: `kubectl rollout history` and `undo` read them.
// Upstream: pkg/controller/history/controller_history.go.
import { safeEncode } from "../../model/ids.ts";
import type { ControllerRevision } from "../../model/kinds/apps-v1.ts";
import type { PodTemplateSpec } from "../../model/kinds/core-v1.ts";
import type { LabelSelector } from "../../model/kinds/meta-v1.ts";
import { controllerOf, equalJson, namespaceOf, type JsonObject, type KubeObject } from "../../model/object.ts";
import { hash32 } from "../../model/random.ts";
import { ControllerRevisions } from "../../model/resources.ts";
import type { Store } from "../../store/contract.ts";
import { isStatus } from "../../model/errors.ts";
import { compileLabelSelector } from "../../model/selectors.ts";
import { claim, controllerReference } from "./adoption.ts";
import { stableJson } from "./stable-json.ts";

/** The label that tells which template a pod was made from. */
export const REVISION_LABEL = "controller-revision-hash";

/** A workload whose templates are kept. */
export interface Revisioned extends KubeObject {
  readonly spec: {
    readonly template: PodTemplateSpec;
    readonly selector: LabelSelector;
    readonly revisionHistoryLimit?: number;
  };
}

/** The patch that makes an object's template this one, as revisions store it and `kubectl rollout undo` sends it. */
const patchOf = (template: PodTemplateSpec): JsonObject =>
  JSON.parse(JSON.stringify({ spec: { template: { ...template, $patch: "replace" } } }));

/** The template that a revision holds. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  const { spec } = revision.data as unknown as { readonly spec: { readonly template: PodTemplateSpec & { readonly $patch?: string } } };
  const { $patch: _patch, ...template } = spec.template;
  return template;
}

/** An owner's revisions, oldest first. */
export function revisionsOf(store: Store, owner: Revisioned): readonly ControllerRevision[] {
  return store
    .list(ControllerRevisions, { namespace: namespaceOf(owner) })
    .filter((revision) => controllerOf(revision)?.uid === owner.metadata.uid)
    .toSorted((a, b) => (a.revision ?? 0) - (b.revision ?? 0));
}

/**
 * The revision of the owner's present template: a new one, or the old one that has the same template, which then counts as the newest.
 * `hashLabel` is the label by which the revision tells its hash.
 */
export async function presentRevision(store: Store, owner: Revisioned, hashLabel: string): Promise<ControllerRevision> {
  // Those that a deleted owner of this name has left behind are adopted.
  await claim({ store, type: ControllerRevisions, owner, matches: compileLabelSelector(owner.spec.selector) });
  const revisions = revisionsOf(store, owner);
  const newest = revisions.at(-1);
  const data = patchOf(owner.spec.template);
  const same = revisions.findLast((revision) => equalJson(revision.data, data));
  if (same && same === newest) return same;
  const number = (newest?.revision ?? 0) + 1;
  if (same) return store.update(ControllerRevisions, { ...same, revision: number });
  for (let collisions = 0; ; collisions++) {
    const hash = safeEncode(String(hash32(stableJson(data), collisions)));
    try {
      return await store.create(ControllerRevisions, revisionOf(owner, data, number, hash, hashLabel));
    } catch (error) {
      if (!isStatus(error, "AlreadyExists") || collisions > MAX_COLLISIONS) throw error;
    }
  }
}

const MAX_COLLISIONS = 10;

function revisionOf(owner: Revisioned, data: JsonObject, revision: number, hash: string, hashLabel: string): ControllerRevision {
  const { annotations } = owner.metadata;
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      name: `${owner.metadata.name}-${hash}`,
      namespace: namespaceOf(owner),
      labels: { ...owner.spec.template.metadata.labels, [hashLabel]: hash },
      ...(annotations ? { annotations } : {}),
      ownerReferences: [controllerReference(owner)],
    },
    data,
    revision,
  };
}

/** Deletes the oldest revisions that nothing uses, beyond the owner's revisionHistoryLimit. */
export async function truncateHistory(store: Store, owner: Revisioned, inUse: (revision: ControllerRevision) => boolean): Promise<void> {
  const unused = revisionsOf(store, owner).filter((revision) => !inUse(revision));
  const surplus = unused.slice(0, Math.max(0, unused.length - (owner.spec.revisionHistoryLimit ?? 10)));
  for (const { metadata } of surplus) await store.delete(ControllerRevisions, metadata.namespace ?? "", metadata.name);
}
