// Structural sharing between objects: a new version keeps the very parts of the old one that it has not changed, so that the log of
// a thousand pods, and of slices with a thousand endpoints, costs what differs.
import { equalJson } from "../model/object.ts";

/** Lists longer than this are matched through an index. */
const SHORT_LIST = 8;
/** The fields that name an item in a list, most telling first: endpoints, then whatever has a name. */
const NAMING_FIELDS = ["addresses", "ip", "name", "uid", "type", "key"];

/**
 * `value` with each part that equals its counterpart in `model` replaced by that counterpart; `model` itself when all is equal. Edits `value`
 * in place where it is not frozen. Keys that are undefined count as absent.
 */
export function shareParts<T>(value: T, model: unknown): T {
  return share(value, model) as T;
}

function share(value: unknown, model: unknown): unknown {
  if (value === model) return model;
  if (typeof value !== "object" || typeof model !== "object" || value === null || model === null) return value;
  if (Object.isFrozen(value)) return equalJson(value, model) ? model : value;
  if (Array.isArray(value)) return Array.isArray(model) ? shareItems(value, model) : value;
  if (Array.isArray(model)) return value;
  return shareFields(value as Record<string, unknown>, model as Readonly<Record<string, unknown>>);
}

function shareFields(value: Record<string, unknown>, model: Readonly<Record<string, unknown>>): unknown {
  let same = true;
  for (const key in value) {
    const part = value[key];
    if (part === undefined) continue;
    const counterpart = model[key];
    const shared = share(part, counterpart);
    if (shared === counterpart) value[key] = counterpart;
    else same = false;
  }
  if (!same) return value;
  for (const key in model) if (model[key] !== undefined && value[key] === undefined) return value;
  return model;
}

function shareItems(value: unknown[], model: readonly unknown[]): unknown {
  let same = value.length === model.length;
  let named: ReadonlyMap<unknown, unknown> | undefined;
  for (const [index, item] of value.entries()) {
    let counterpart = model[index];
    const name = nameOf(item);
    if (name !== undefined && name !== nameOf(counterpart)) {
      if (model.length > SHORT_LIST) counterpart = (named ??= new Map(model.map((each) => [nameOf(each), each]))).get(name);
      else counterpart = model.find((each) => nameOf(each) === name);
    }
    const shared = share(item, counterpart);
    value[index] = shared;
    if (shared !== model[index]) same = false;
  }
  return same ? model : value;
}

function nameOf(item: unknown): unknown {
  if (typeof item !== "object" || item === null) return undefined;
  for (const field of NAMING_FIELDS) {
    const found: unknown = item[field as keyof typeof item];
    const name: unknown = Array.isArray(found) ? found[0] : found;
    if (typeof name === "string") return name;
  }
  return undefined;
}
