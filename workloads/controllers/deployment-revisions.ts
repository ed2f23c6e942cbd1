// A Deployment's ReplicaSets as revisions: which one has the present template, what the next is called, which are too old to keep.
// Upstream: pkg/controller/deployment/util/deployment_util.go, sync.go.
import { safeEncode } from "../../model/ids.ts";
import type { Deployment, ReplicaSet } from "../../model/kinds/apps-v1.ts";
import type { PodTemplateSpec } from "../../model/kinds/core-v1.ts";
import { hash32 } from "../../model/random.ts";
import { equalJson } from "../../model/object.ts";
import { controllerReference } from "./adoption.ts";
import { stableJson } from "./stable-json.ts";
import { byCreation, desiredReplicas, fenceposts, newReplicas, replicasOf } from "./rolling-update.ts";

export const REVISION = "deployment.kubernetes.io/revision";
const HISTORY = "deployment.kubernetes.io/revision-history";
const DESIRED = "deployment.kubernetes.io/desired-replicas";
const MAX = "deployment.kubernetes.io/max-replicas";
const HASH_LABEL = "pod-template-hash";
const NOT_COPIED = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  REVISION,
  HISTORY,
  DESIRED,
  MAX,
  "deprecated.deployment.rollback.to",
]);

type Annotations = Readonly<Record<string, string>>;

export const revisionOf = (object: { readonly metadata: { readonly annotations?: Annotations } }): number =>
  Number(object.metadata.annotations?.[REVISION] ?? 0) || 0;

/** The oldest ReplicaSet whose template is the Deployment's. */
export function findNewSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = withoutHash(deployment.spec.template);
  return sets.toSorted(byCreation).find((set) => set.spec.template !== undefined && equalJson(withoutHash(set.spec.template), wanted));
}

function withoutHash(template: PodTemplateSpec): unknown {
  const { [HASH_LABEL]: _hash, ...labels } = template.metadata?.labels ?? {};
  const { annotations } = template.metadata ?? {};
  return { labels, annotations: annotations ?? {}, spec: template.spec };
}

/** The pod-template-hash of a Deployment's present template. */
export function templateHash(deployment: Deployment): string {
  return safeEncode(String(hash32(stableJson(withoutHash(deployment.spec.template)), deployment.status?.collisionCount ?? 0)));
}

/** The annotations that tie a ReplicaSet's size to the Deployment's. */
export function sizeAnnotations(deployment: Deployment): Annotations {
  const desired = desiredReplicas(deployment);
  return { [DESIRED]: String(desired), [MAX]: String(desired + fenceposts(deployment).maxSurge) };
}

/** The ReplicaSet for the present template, not yet created. */
export function buildNewSet(deployment: Deployment, oldSets: readonly ReplicaSet[]): ReplicaSet {
  const hash = templateHash(deployment);
  const { template } = deployment.spec;
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
  const revision = Math.max(0, ...oldSets.map(revisionOf)) + 1;
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace ?? "",
      labels,
      annotations: { ...copiedAnnotations(deployment), ...sizeAnnotations(deployment), [REVISION]: String(revision) },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas: newReplicas(deployment, oldSets, 0),
      ...(deployment.spec.minReadySeconds ? { minReadySeconds: deployment.spec.minReadySeconds } : {}),
      selector: { ...deployment.spec.selector, matchLabels: { ...deployment.spec.selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

function copiedAnnotations(deployment: Deployment): Annotations {
  return Object.fromEntries(Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !NOT_COPIED.has(key)));
}

/** The new ReplicaSet as it should be beside the old ones: a rolled-back revision becomes the newest. The same object when it is. */
export function refreshNewSet(deployment: Deployment, newSet: ReplicaSet, oldSets: readonly ReplicaSet[]): ReplicaSet {
  const wanted = Math.max(0, ...oldSets.map(revisionOf)) + 1;
  const had = revisionOf(newSet);
  const annotations: Record<string, string> = { ...newSet.metadata.annotations, ...copiedAnnotations(deployment) };
  if (had < wanted) {
    annotations[REVISION] = String(wanted);
    if (had > 0) annotations[HISTORY] = [newSet.metadata.annotations?.[HISTORY], String(had)].filter(Boolean).join(",");
  }
  const minReadySeconds = deployment.spec.minReadySeconds ?? 0;
  const refreshed: ReplicaSet = {
    ...newSet,
    metadata: { ...newSet.metadata, annotations },
    spec: (newSet.spec.minReadySeconds ?? 0) === minReadySeconds ? newSet.spec : { ...newSet.spec, minReadySeconds },
  };
  return equalJson(refreshed, newSet) ? newSet : refreshed;
}

/** Old, empty and settled ReplicaSets beyond revisionHistoryLimit, oldest revision first. */
export function surplusSets(deployment: Deployment, oldSets: readonly ReplicaSet[]): readonly ReplicaSet[] {
  const limit = deployment.spec.revisionHistoryLimit ?? 10;
  const kept = oldSets.filter((set) => set.metadata.deletionTimestamp === undefined);
  return kept
    .toSorted((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, Math.max(0, kept.length - limit))
    .filter(
      (set) =>
        (set.status?.replicas ?? 0) === 0 &&
        replicasOf(set) === 0 &&
        (set.metadata.generation ?? 0) <= (set.status?.observedGeneration ?? 0),
    );
}
