// Removes pods whose node is not there: no kubelet will ever finish them.
// Upstream: pkg/controller/podgc gc_controller.go. Left out: the limit on finished pods.
import { isStatus } from "../../model/errors.ts";
import { keyOf, splitKey } from "../../model/object.ts";
import type { Component } from "../../model/ports.ts";
import { Nodes, Pods } from "../../model/resources.ts";
import { createController, on } from "../../store/controller.ts";
import type { ControllerDependencies } from "./dependencies.ts";

/** How long a node may be missing before its pods are given up; those being deleted go at once. */
const QUARANTINE_MS = 40_000;

export function createPodGarbageCollector({ store, clock }: ControllerDependencies): Component {
  const missingSince = new Map<string, number>();
  return createController({
    name: "pod-garbage-collector",
    store,
    clock,
    watches: [
      on(Pods, (pod) => (pod.spec.nodeName && !store.get(Nodes, "", pod.spec.nodeName) ? [keyOf(pod)] : [])),
      on(Nodes, (node) => {
        const { name } = node.metadata;
        if (store.get(Nodes, "", name)) {
          missingSince.delete(name);
          return [];
        }
        return store
          .list(Pods)
          .filter((pod) => pod.spec.nodeName === name)
          .map(keyOf);
      }),
    ],
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const pod = store.get(Pods, namespace, name);
      const nodeName = pod?.spec.nodeName;
      if (!pod || !nodeName || store.get(Nodes, "", nodeName)) return;
      const since = missingSince.get(nodeName) ?? clock.now();
      missingSince.set(nodeName, since);
      const leftMs = pod.metadata.deletionTimestamp === undefined ? since + QUARANTINE_MS - clock.now() : 0;
      if (leftMs > 0) return { requeueAfterMs: leftMs };
      try {
        await store.delete(Pods, namespace, name, { gracePeriodSeconds: 0 });
      } catch (error) {
        if (!isStatus(error, "NotFound")) throw error;
      }
    },
  });
}
