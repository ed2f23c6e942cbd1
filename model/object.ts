// The shape shared by every Kubernetes object, and the keys by which objects are found.
// Upstream: apimachinery pkg/apis/meta/v1 types.go.
import type { Json, JsonObject } from "./json.ts";
import type { ManagedFieldsEntry, OwnerReference } from "./kinds/meta-v1.ts";

export type { Json, JsonObject };

export interface TypeMeta {
  readonly apiVersion?: string;
  readonly kind?: string;
}

/** metav1.ObjectMeta. `name` may be empty until admission has seen `generateName`; all else is filled by the store. */
export interface ObjectMeta {
  readonly name: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: { readonly [key: string]: string };
  readonly annotations?: { readonly [key: string]: string };
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  readonly managedFields?: readonly ManagedFieldsEntry[];
  readonly selfLink?: string;
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** Deeply writable copy of a frozen object: what admission and controllers edit before they write. */
export type Draft<T> = T extends readonly (infer U)[] ? Draft<U>[] : T extends object ? { -readonly [K in keyof T]: Draft<T[K]> } : T;

/** A deep, writable copy. */
export function draft<T>(object: T): Draft<T> {
  return copyJson(object) as Draft<T>;
}

/** Freezes a JSON value and all below it, and returns it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}

function copyJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyJson);
  if (typeof value !== "object" || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const key in value) {
    const inner: unknown = value[key as keyof typeof value];
    if (inner !== undefined) copy[key] = copyJson(inner);
  }
  return copy;
}

/** `namespace/name`, or `name` for a cluster-scoped object: the form of client-go's cache keys. */
export type ObjectKey = string;

export function keyOf(object: KubeObject): ObjectKey {
  return objectKey(object.metadata.namespace ?? "", object.metadata.name);
}

export function objectKey(namespace: string, name: string): ObjectKey {
  return namespace === "" ? name : `${namespace}/${name}`;
}

/** The two halves of a key; a cluster-scoped key has namespace "". */
export function splitKey(key: ObjectKey): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf("/");
  return slash < 0 ? { namespace: "", name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/**
 * The name that a refusal of a create gives: generateName where the name was made from it, since upstream makes it after admission. So the
 * same refusal reads the same each time.
 */
export function askedName({ name, generateName = "" }: ObjectMeta): string {
  const isMade = generateName !== "" && name.length === generateName.length + 5 && name.startsWith(generateName);
  return isMade ? generateName : name;
}

/** The object's namespace, "" when cluster-scoped. */
export function namespaceOf(object: KubeObject): string {
  return object.metadata.namespace ?? "";
}

/** The ownerReference with `controller: true`, if any. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** Equality of JSON values; a key that is undefined equals an absent one. */
export function equalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => equalJson(item, b[i]));
  }
  const left = a as Readonly<Record<string, unknown>>;
  const right = b as Readonly<Record<string, unknown>>;
  let defined = 0;
  for (const key in left) {
    if (left[key] === undefined) continue;
    defined++;
    if (!equalJson(left[key], right[key])) return false;
  }
  for (const key in right) if (right[key] !== undefined) defined--;
  return defined === 0;
}
