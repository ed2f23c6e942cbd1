// Binds every PersistentVolumeClaim at once: each has a volume of its own, as large as it asks for, in memory.
// Upstream: pkg/controller/volume/persistentvolume with a dynamic provisioner. Left out: PersistentVolume objects, waiting for a consumer.
import type { PersistentVolumeClaim } from "../../model/kinds/core-v1.ts";
import { keyOf, splitKey } from "../../model/object.ts";
import type { Component } from "../../model/ports.ts";
import { PersistentVolumeClaims } from "../../model/resources.ts";
import { createController, on } from "../../store/controller.ts";
import { createEventRecorder } from "../../store/event-recorder.ts";
import type { ClaimVolumes } from "../kubelet/claim-volumes.ts";
import type { ControllerDependencies } from "./dependencies.ts";

/** The class of a claim that names none. */
const DEFAULT_CLASS = "standard";

export function createVolumeClaimController({ store, clock }: ControllerDependencies, volumes: ClaimVolumes): Component {
  const recorder = createEventRecorder({ store, clock, component: "persistentvolume-controller" });
  return createController({
    name: "volume-claims",
    store,
    clock,
    watches: [on(PersistentVolumeClaims, (claim) => [keyOf(claim)])],
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const claim = store.get(PersistentVolumeClaims, namespace, name);
      if (!claim) return volumes.keepOnly(new Set(store.list(PersistentVolumeClaims).map(({ metadata }) => metadata.uid ?? "")));
      if (claim.status?.phase === "Bound") return;
      const bound = await store.update(PersistentVolumeClaims, withVolume(claim));
      const { accessModes, resources } = claim.spec;
      const capacity = resources?.requests;
      await store.update(
        PersistentVolumeClaims,
        { ...bound, status: { phase: "Bound", ...(accessModes ? { accessModes } : {}), ...(capacity ? { capacity } : {}) } },
        { subresource: "status" },
      );
      recorder.event(claim, "Normal", "ProvisioningSucceeded", `Successfully provisioned volume ${bound.spec.volumeName}`);
    },
  });
}

function withVolume(claim: PersistentVolumeClaim): PersistentVolumeClaim {
  const { metadata, spec } = claim;
  return {
    ...claim,
    metadata: { ...metadata, annotations: { ...metadata.annotations, "pv.kubernetes.io/bind-completed": "yes" } },
    spec: { ...spec, storageClassName: spec.storageClassName ?? DEFAULT_CLASS, volumeName: spec.volumeName ?? `pvc-${metadata.uid}` },
  };
}
