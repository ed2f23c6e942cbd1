// Strategic merge patch: lists merge by key, and directives ($patch, $retainKeys, $setElementOrder, $deleteFromPrimitiveList) say more.
// Upstream: apimachinery pkg/util/strategicpatch/patch.go.
import { StatusError, badRequest } from "../../model/errors.ts";
import { type JsonObject, equalJson } from "../../model/object.ts";
import type { ResolvedField, SchemaTable, Shape } from "../../model/schema/index.ts";
import { goValue } from "./typed-merge.ts";
import { isRecord } from "./typed-schema.ts";

type Record_ = Record<string, unknown>;

const DIRECTIVE = "$patch";
const RETAIN_KEYS = "$retainKeys";
const DELETE_FROM = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER = "$setElementOrder/";

/** The patched copy of an object of the named message. Throws 400 on a malformed patch, upstream's bare 500 where a merge key is missing. */
export function applyStrategicMergePatch(schemas: SchemaTable, schema: string, current: JsonObject, patch: unknown): JsonObject {
  if (!isRecord(patch)) {
    const type = Array.isArray(patch) ? "array" : patch === null ? "null" : typeof patch;
    throw badRequest(`json: cannot unmarshal ${type} into Go value of type map[string]interface {}`);
  }
  return new Merger(schemas).object({ kind: "struct", name: schema }, current, patch) as JsonObject;
}

class Merger {
  readonly #schemas: SchemaTable;

  constructor(schemas: SchemaTable) {
    this.#schemas = schemas;
  }
  object(shape: Shape | undefined, original: Record_, given: Record_): Record_ {
    const { [DIRECTIVE]: directive, [RETAIN_KEYS]: retain, ...patch } = given;
    if (directive === "replace") return withoutDirectives(patch) as Record_;
    if (directive === "delete") return {};
    if (directive !== undefined && directive !== "merge")
      throw failure(`unknown patch type: ${goValue(directive)} in map: ${goValue(given)}`);
    const out = new Map(Object.entries(retain === undefined ? original : retained(original, patch, retain)));
    this.#deleteFromPrimitiveLists(out, patch);
    const orders = Object.keys(patch).filter((key) => key.startsWith(ELEMENT_ORDER));
    for (const [key, value] of Object.entries(patch)) {
      if (key.startsWith(ELEMENT_ORDER) || key.startsWith(DELETE_FROM)) continue;
      if (value === null) out.delete(key);
      else out.set(key, this.#field(this.#fieldOf(shape, key), this.#below(shape, key), out.get(key), value));
    }
    for (const key of orders) {
      const name = key.slice(ELEMENT_ORDER.length);
      const field = this.#fieldOf(shape, name);
      const merged = out.get(name);
      if (Array.isArray(merged)) out.set(name, ordered(merged, original[name], patch[name], patch[key], field?.patchMergeKey));
    }
    return Object.fromEntries(out);
  }
  #fieldOf(shape: Shape | undefined, key: string): ResolvedField | undefined {
    return shape?.kind === "struct" ? this.#schemas.fields(shape.name).get(key) : undefined;
  }
  #below(shape: Shape | undefined, key: string): Shape | undefined {
    return shape?.kind === "map" ? shape.value : this.#fieldOf(shape, key)?.shape;
  }
  #field(field: ResolvedField | undefined, shape: Shape | undefined, original: unknown, value: unknown): unknown {
    const strategies = field?.patchStrategy?.split(",") ?? [];
    if (isRecord(value) && isRecord(original)) {
      return strategies.includes("replace") ? withoutDirectives(value) : this.object(shape, original, value);
    }
    if (Array.isArray(value) && Array.isArray(original) && strategies.includes("merge")) {
      return this.#list(shape?.kind === "list" ? shape.element : undefined, original, value, field?.patchMergeKey);
    }
    return withoutDirectives(value);
  }
  #list(shape: Shape | undefined, original: readonly unknown[], patch: readonly unknown[], mergeKey: string | undefined): unknown[] {
    const items = [...original, ...patch];
    if (items.length === 0) return [];
    if (!items.some(isRecord)) return [...new Set(items)];
    if (items.some(Array.isArray)) throw badRequest("lists of lists are not supported");
    if (!items.every(isRecord)) throw failure("list element types are not identical");
    if (mergeKey === undefined) throw failure("cannot merge lists without merge key");
    const records = patch.filter(isRecord);
    const plain = records.filter((item) => !(DIRECTIVE in item));
    if (records.some((item) => item[DIRECTIVE] === "replace")) return plain.map(withoutDirectives);
    const out = [...original];
    for (const item of records) {
      const directive = item[DIRECTIVE];
      if (directive === undefined) continue;
      if (directive === "merge") throw failure("merging lists cannot yet be specified in the patch");
      if (directive !== "delete") throw failure(`unknown patch type: ${goValue(directive)} in map: ${goValue(item)}`);
      const key = keyValue(item, mergeKey);
      for (let index = out.length - 1; index >= 0; index--) if (hasKey(out[index], mergeKey, key)) out.splice(index, 1);
    }
    for (const item of plain) {
      const key = keyValue(item, mergeKey);
      const index = out.findIndex((other) => hasKey(other, mergeKey, key));
      const found = out[index];
      if (isRecord(found)) out[index] = this.object(shape, found, item);
      else out.push(withoutDirectives(item));
    }
    return out;
  }
  #deleteFromPrimitiveLists(out: Map<string, unknown>, patch: Record_): void {
    for (const [key, value] of Object.entries(patch)) {
      if (!key.startsWith(DELETE_FROM)) continue;
      if (!Array.isArray(value)) throw badRequest("invalid patch format of primitive list");
      const name = key.slice(DELETE_FROM.length);
      const list = out.get(name);
      if (Array.isArray(list))
        out.set(
          name,
          list.filter((item) => !value.includes(item)),
        );
    }
  }
}

function retained(original: Record_, patch: Record_, retain: unknown): Record_ {
  if (!Array.isArray(retain)) throw badRequest("invalid patch format of retainKeys");
  const patched = Object.keys(patch).filter((key) => !key.startsWith(ELEMENT_ORDER) && !key.startsWith(DELETE_FROM) && patch[key] !== null);
  if (!patched.every((key) => retain.includes(key))) throw badRequest("invalid patch format of retainKeys");
  return Object.fromEntries(Object.entries(original).filter(([key]) => retain.includes(key)));
}

/** Items of the order come in that order; the others keep their place among them as the server had it. */
function ordered(merged: readonly unknown[], original: unknown, patch: unknown, order: unknown, mergeKey: string | undefined): unknown[] {
  if (!Array.isArray(order)) throw badRequest("invalid patch format of setElementOrder list");
  const same = (a: unknown, b: unknown): boolean =>
    mergeKey !== undefined && isRecord(a) && isRecord(b) ? equalJson(a[mergeKey], b[mergeKey]) : equalJson(a, b);
  const indexIn = (list: readonly unknown[], item: unknown): number => list.findIndex((other) => same(other, item));
  if (Array.isArray(patch)) {
    const stray = patch.some((item: unknown) => !(isRecord(item) && DIRECTIVE in item) && indexIn(order, item) < 0);
    if (stray) throw badRequest(`The order in patch list:\n${goValue(patch)}\n doesn't match $setElementOrder list:\n${goValue(order)}\n`);
  }
  const server: readonly unknown[] = Array.isArray(original) ? original : [];
  const listed = merged.filter((item) => indexIn(order, item) >= 0).sort((a, b) => indexIn(order, a) - indexIn(order, b));
  const rest = merged.filter((item) => indexIn(order, item) < 0);
  const out: unknown[] = [];
  while (listed.length > 0 && rest.length > 0) {
    const left = indexIn(server, listed[0]);
    const right = indexIn(server, rest[0]);
    out.push((left >= 0 && right >= 0 && left < right ? listed : rest).shift());
  }
  return [...out, ...listed, ...rest];
}

function keyValue(item: Record_, mergeKey: string): unknown {
  const value = item[mergeKey];
  if (value === undefined) throw failure(`map: ${goValue(item)} does not contain declared merge key: ${mergeKey}`);
  return value;
}

const hasKey = (item: unknown, mergeKey: string, value: unknown): boolean => isRecord(item) && equalJson(item[mergeKey], value);

/** A patch value where there is nothing to merge with: nulls and directives mean nothing there. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item: unknown) => !(isRecord(item) && DIRECTIVE in item && item[DIRECTIVE] !== "merge")).map(withoutDirectives);
  }
  if (!isRecord(value)) return value;
  const kept = Object.entries(value).filter(([key, inner]) => inner !== null && !isDirective(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutDirectives(inner)]));
}

const isDirective = (key: string): boolean =>
  key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(DELETE_FROM) || key.startsWith(ELEMENT_ORDER);

const failure = (message: string): StatusError => new StatusError(500, "", message);
