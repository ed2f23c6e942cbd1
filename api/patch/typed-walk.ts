// Walks over typed values: which fields they have, how two differ, and what is left when fields are taken away.
// Upstream: structured-merge-diff typed/{tofieldset,compare,remove}.go.
import { equalJson } from "../../model/object.ts";
import { FieldSet, type PathElement } from "./field-set.ts";
import { type Typed, isRecord, itemElement, itemsByElement, resolve } from "./typed-schema.ts";

type Path = readonly PathElement[];

/** Every field that the value sets. */
export function fieldSetOf(typed: Typed, value: unknown): FieldSet {
  const set = new FieldSet();
  collect(typed, value, [], set);
  return set;
}

function collect(declared: Typed, value: unknown, path: Path, set: FieldSet): void {
  const typed = resolve(declared, value);
  if (typed.kind === "scalar" || typed.kind === "atomic") return set.insert(path);
  if (typed.kind === "list" || typed.kind === "set") {
    if (!Array.isArray(value)) return;
    for (const [element, item] of itemsByElement(typed, value)) {
      collect(typed.element, item, [...path, element], set);
      set.insert([...path, element]);
    }
    return;
  }
  if (!isRecord(value)) return;
  for (const [key, inner] of Object.entries(value)) {
    const type = memberType(typed, key);
    if (inner === undefined || !type) continue;
    const below = [...path, `f:${key}`];
    collect(type, inner, below, set);
    if (typed.kind === "map" || inner === null || (isRecord(inner) && Object.keys(inner).length === 0)) set.insert(below);
  }
}

/** How the right value differs from the left. */
export interface Comparison {
  readonly added: FieldSet;
  readonly removed: FieldSet;
  readonly modified: FieldSet;
}

export function compare(typed: Typed, left: unknown, right: unknown): Comparison {
  const comparison = { added: new FieldSet(), removed: new FieldSet(), modified: new FieldSet() };
  compareAt(typed, left, right, [], comparison);
  return comparison;
}

function compareAt(declared: Typed, left: unknown, right: unknown, path: Path, out: Comparison): void {
  if (left === undefined && right === undefined) return;
  const typed = resolve(declared, right ?? left);
  const leaf = typed.kind === "scalar" || typed.kind === "atomic" || (isEmpty(left) && isEmpty(right));
  if (leaf) {
    if (left === undefined) out.added.insert(path);
    else if (right === undefined) out.removed.insert(path);
    else if (!equalJson(left, right)) out.modified.insert(path);
    return;
  }
  if (typed.kind === "list" || typed.kind === "set") compareItems(typed, left, right, path, out);
  else compareFields(typed, left, right, path, out);
  if (left === undefined) out.added.insert(path);
  else if (right === undefined) out.removed.insert(path);
}

function compareItems(typed: Typed & { readonly kind: "list" | "set" }, left: unknown, right: unknown, path: Path, out: Comparison): void {
  const before = itemsByElement(typed, Array.isArray(left) ? left : []);
  const after = itemsByElement(typed, Array.isArray(right) ? right : []);
  for (const element of new Set([...before.keys(), ...after.keys()])) {
    compareAt(typed.element, before.get(element), after.get(element), [...path, element], out);
  }
}

function compareFields(typed: Typed, left: unknown, right: unknown, path: Path, out: Comparison): void {
  const before = isRecord(left) ? left : {};
  const after = isRecord(right) ? right : {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const type = memberType(typed, key);
    if (type) compareAt(type, before[key], after[key], [...path, `f:${key}`], out);
  }
}

/** The value without the fields of the set; undefined when nothing is left of a list or an object. */
export function removeFields(declared: Typed, value: unknown, set: FieldSet): unknown {
  const typed = resolve(declared, value);
  if (typed.kind === "scalar" || typed.kind === "atomic") return value;
  if (typed.kind === "list" || typed.kind === "set") {
    if (!Array.isArray(value) || value.length === 0) return value;
    const kept = value.flatMap((item: unknown) => {
      const element = itemElement(typed, item);
      if (typeof element !== "string") return [item];
      if (set.has(element)) return [];
      const below = set.below(element);
      return [below ? removeFields(typed.element, item, below) : item];
    });
    return kept.length > 0 ? kept : undefined;
  }
  if (!isRecord(value) || Object.keys(value).length === 0) return value;
  const out: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (set.has(`f:${key}`)) continue;
    const below = set.below(`f:${key}`);
    const type = memberType(typed, key);
    const kept = below && type ? removeFields(type, inner, below) : inner;
    if (kept !== undefined) out[key] = kept;
  }
  return Object.keys(out).length > 0 ? out : undefined;
}

/** The set with every named struct field that has members below it made a member itself. */
export function withNamedFields(declared: Typed, set: FieldSet): FieldSet {
  const named =
    declared.kind === "struct" ? set.parents.filter((element) => element.startsWith("f:") && declared.field(element.slice(2))) : [];
  return set.withMembers(named, (element, children) => withNamedFields(typeBelow(declared, element), children));
}

function typeBelow(typed: Typed, element: PathElement): Typed {
  if (typed.kind === "list" || typed.kind === "set") return typed.element;
  return memberType(typed, element.slice(2)) ?? { kind: "deduced" };
}

/** The type of a field of a struct or map; undefined when a struct has no such field. */
export function memberType(typed: Typed, key: string): Typed | undefined {
  if (typed.kind === "struct") return typed.field(key);
  return typed.kind === "map" ? typed.value : typed.kind === "deduced" ? typed : undefined;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0;
}
