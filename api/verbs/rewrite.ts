// Read, change, write, again when someone else wrote meanwhile. Upstream: apiserver pkg/endpoints/handlers/patch.go, GuaranteedUpdate.
import { isStatus, notFound } from "../../model/errors.ts";
import type { KubeObject } from "../../model/object.ts";
import type { ResourceType } from "../../model/resources.ts";
import type { Store, UpdateOptions } from "../../store/index.ts";

const TRIES = 5;

/**
 * Writes what `make` gives for the present object. A result with a resourceVersion of its own is written once and may lose with 409; any other
 * is made anew on a Conflict.
 */
export async function rewrite<T extends KubeObject>(
  store: Store,
  type: ResourceType<T>,
  key: { readonly namespace: string; readonly name: string },
  make: (current: T) => T,
  options: UpdateOptions,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const current = store.get(type, key.namespace, key.name);
    if (!current) throw notFound(type, key.name);
    const made = make(current);
    const seen = current.metadata.resourceVersion;
    const asked = made.metadata.resourceVersion;
    const guarded = asked || seen === undefined ? made : { ...made, metadata: { ...made.metadata, resourceVersion: seen } };
    try {
      return await store.update(type, guarded, options);
    } catch (error) {
      const ownVersion = asked !== undefined && asked !== "" && asked !== seen;
      if (!isStatus(error, "Conflict") || ownVersion || tries === TRIES) throw error;
    }
  }
}
