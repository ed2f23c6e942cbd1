// The reconcile loop: keys in, one at a time, retried with back-off on failure.
// Upstream: client-go util/workqueue and every controller's processNextWorkItem.
import type { Component } from "../model/ports.ts";
import type { Clock } from "../model/clock.ts";
import type { KubeObject, ObjectKey } from "../model/object.ts";
import type { ResourceType } from "../model/resources.ts";
import type { Store } from "./contract.ts";

/** Which keys to look at again when an object of `type` changes. */
export interface Watch<T extends KubeObject = KubeObject> {
  readonly type: ResourceType<T>;
  keys(object: T): readonly ObjectKey[];
}

export interface ControllerOptions {
  readonly name: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly watches: readonly Watch[];
  /** Makes the world match the object of this key (which may be gone). Returns when to look again on its own, if ever. */
  reconcile(key: ObjectKey): Promise<{ readonly requeueAfterMs?: number } | void>;
}

/** Typed watch: `on(Pods, pod => [keyOf(pod)])`. */
export function on<T extends KubeObject>(type: ResourceType<T>, keys: (object: T) => readonly ObjectKey[]): Watch {
  return { type, keys: keys as (object: KubeObject) => readonly ObjectKey[] };
}

export declare function createController(options: ControllerOptions): Component;
