import type { Draft, KubeObject } from "../object.ts";
import type { ResourceType } from "../resources.ts";
import type { SchemaTable } from "./table.ts";
/** Fills in, in place, what upstream's SetDefaults_* functions fill in for a kind. */
export function applyDefaults<T extends KubeObject>(_type: ResourceType<T>, _object: Draft<T>, _schemas?: SchemaTable): void {
  throw new Error("not yet");
}
