// What a StatefulSet's pods are like: names by ordinal, identity labels, claims, and the revision that each ordinal should have. Pure.
// Upstream: pkg/controller/statefulset/stateful_set_utils.go.
import type { ControllerRevision, StatefulSet } from "../../model/kinds/apps-v1.ts";
import type { PersistentVolumeClaim, Pod, Volume } from "../../model/kinds/core-v1.ts";
import { namespaceOf } from "../../model/object.ts";
import { controllerReference } from "./adoption.ts";
import { isPodReady } from "./pod-conditions.ts";
import { podFromTemplate } from "./pod-template.ts";
import { REVISION_LABEL, templateOf } from "./revision-history.ts";

const POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name";
const POD_INDEX_LABEL = "apps.kubernetes.io/pod-index";

export const firstOrdinal = (set: StatefulSet): number => set.spec.ordinals?.start ?? 0;
export const replicasOfSet = (set: StatefulSet): number => set.spec.replicas ?? 1;
export const partitionOf = (set: StatefulSet): number => set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
export const isMonotonic = (set: StatefulSet): boolean => set.spec.podManagementPolicy !== "Parallel";

/** The ordinal that a name of one of the set's pods has; undefined for another's name. */
export function ordinalOf(set: StatefulSet, podName: string): number | undefined {
  const [, parent, digits = ""] = /^(.*)-(\d+)$/.exec(podName) ?? [];
  return parent === set.metadata.name ? Number(digits) : undefined;
}

export const revisionNameOf = (pod: Pod): string => pod.metadata.labels?.[REVISION_LABEL] ?? "";
export const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined;
export const isHealthy = (pod: Pod): boolean => pod.status?.phase === "Running" && isPodReady(pod) && !isTerminating(pod);

/** Which of two revisions a new pod of this ordinal is made from: below the partition, the one that is being left. */
export function revisionForOrdinal(
  set: StatefulSet,
  ordinal: number,
  current: ControllerRevision,
  update: ControllerRevision,
): ControllerRevision {
  const { type, rollingUpdate } = set.spec.updateStrategy ?? {};
  if (type !== "RollingUpdate") return update;
  const kept = rollingUpdate ? partitionOf(set) : (set.status?.currentReplicas ?? 0);
  return ordinal < firstOrdinal(set) + kept ? current : update;
}

/** The pod of this ordinal from a revision's template, not yet created. */
export function podOfSet(set: StatefulSet, ordinal: number, revision: ControllerRevision): Pod {
  const name = `${set.metadata.name}-${ordinal}`;
  const pod = podFromTemplate(set, templateOf(revision), {
    name,
    labels: { [POD_NAME_LABEL]: name, [POD_INDEX_LABEL]: String(ordinal), [REVISION_LABEL]: revision.metadata.name },
  });
  const claimed = (set.spec.volumeClaimTemplates ?? []).map((template): Volume => ({
    name: template.metadata.name,
    persistentVolumeClaim: { claimName: claimName(template, name) },
  }));
  const names = new Set(claimed.map((volume) => volume.name));
  const volumes = [...claimed, ...(pod.spec.volumes ?? []).filter((volume) => !names.has(volume.name))];
  const subdomain = set.spec.serviceName ? { subdomain: set.spec.serviceName } : {};
  return { ...pod, spec: { ...pod.spec, ...(volumes.length > 0 ? { volumes } : {}), hostname: name, ...subdomain } };
}

const claimName = (template: PersistentVolumeClaim, podName: string): string => `${template.metadata.name}-${podName}`;

/** The claims of a pod of this name, from the set's templates. They outlive pod and set unless the retention policy says otherwise. */
export function claimsOfPod(set: StatefulSet, podName: string): readonly PersistentVolumeClaim[] {
  return (set.spec.volumeClaimTemplates ?? []).map((template) => {
    const owned = set.spec.persistentVolumeClaimRetentionPolicy?.whenDeleted === "Delete";
    return {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: {
        ...(template.metadata.annotations ? { annotations: template.metadata.annotations } : {}),
        name: claimName(template, podName),
        namespace: namespaceOf(set),
        labels: { ...template.metadata.labels, ...set.spec.selector.matchLabels },
        ...(owned ? { ownerReferences: [{ ...controllerReference(set), controller: false, blockOwnerDeletion: false }] } : {}),
      },
      spec: template.spec,
    };
  });
}
