// Merges an applied configuration into a live object, and checks the configuration against the schema first.
// Upstream: structured-merge-diff typed/{merge,validate}.go.
import { type PathElement, pathText } from "./field-set.ts";
import { type Typed, isRecord, itemElement, itemsByElement, resolve } from "./typed-schema.ts";
import { memberType } from "./typed-walk.ts";

/** The live value with everything that the applied one sets; lists keep the applied order, with live-only items where they stood. */
export function mergeTyped(declared: Typed, live: unknown, applied: unknown): unknown {
  if (applied === undefined) return live;
  if (live === undefined || live === null || applied === null) return applied;
  const typed = resolve(declared, applied);
  switch (typed.kind) {
    case "list":
    case "set":
      return Array.isArray(live) && Array.isArray(applied) ? mergeItems(typed, live, applied) : applied;
    case "map":
    case "struct": {
      if (!isRecord(live) || !isRecord(applied)) return applied;
      const out: Record<string, unknown> = { ...live };
      for (const [key, value] of Object.entries(applied))
        out[key] = mergeTyped(memberType(typed, key) ?? { kind: "deduced" }, live[key], value);
      return out;
    }
    default:
      return applied;
  }
}

function mergeItems(typed: Typed & { readonly kind: "list" | "set" }, live: readonly unknown[], applied: readonly unknown[]): unknown[] {
  const liveItems = itemsByElement(typed, live);
  const appliedItems = itemsByElement(typed, applied);
  const liveOrder = live.map((item) => itemElement(typed, item));
  const wanted = [...appliedItems.keys()];
  const shared = wanted.filter((element) => liveItems.has(element));
  const done = new Set<PathElement>();
  const out: unknown[] = [];
  const emit = (element: PathElement): void => {
    out.push(mergeTyped(typed.element, liveItems.get(element), appliedItems.get(element)));
    done.add(element);
    if (shared[0] === element) shared.shift();
  };
  let at = 0;
  let next = 0;
  while (at < liveOrder.length || next < wanted.length) {
    const here = liveOrder[at];
    const want = wanted[next];
    if (at < liveOrder.length) {
      const element = typeof here === "string" ? here : undefined;
      const isShared = element !== undefined && appliedItems.has(element);
      if (isShared && element === want) {
        emit(element);
        at++;
        next++;
        continue;
      }
      if (!isShared) {
        out.push(live[at]);
        at++;
        continue;
      }
      if (done.has(element) || (want !== undefined && shared[0] !== element)) {
        at++;
        continue;
      }
    }
    if (want !== undefined) {
      emit(want);
      next++;
    }
  }
  return out;
}

/** What is wrong with an applied configuration: undeclared fields, wrong types, items without or with equal keys. */
export function typedProblems(declared: Typed, value: unknown, path: readonly PathElement[] = []): string[] {
  if (value === null || value === undefined) return [];
  const problem = (message: string): string[] => [path.length === 0 ? message : `${pathText(path)}: ${message}`];
  const typed = resolve(declared, value);
  switch (typed.kind) {
    case "list":
    case "set":
      if (!Array.isArray(value)) return problem(`expected list, got ${goValue(value)}`);
      return itemProblems(typed, value, path);
    case "map":
    case "struct":
      if (!isRecord(value)) return problem(`expected map, got ${goValue(value)}`);
      return Object.entries(value).flatMap(([key, inner]) => {
        const below = [...path, `f:${key}`];
        const type = memberType(typed, key);
        return type ? typedProblems(type, inner, below) : [`${pathText(below)}: field not declared in schema`];
      });
    case "scalar":
      return scalarProblem(typed.scalar, value).flatMap(problem);
    default:
      return [];
  }
}

function itemProblems(typed: Typed & { readonly kind: "list" | "set" }, list: readonly unknown[], path: readonly PathElement[]): string[] {
  const seen = new Set<PathElement>();
  return list.flatMap((item: unknown, index) => {
    const element = itemElement(typed, item);
    if (typeof element !== "string") return [`${pathText(path)}: element ${index}: ${element.problem}`];
    if (seen.has(element)) return [`${pathText(path)}: duplicate entries for key ${pathText([element])}`];
    seen.add(element);
    return typedProblems(typed.element, item, [...path, element]);
  });
}

function scalarProblem(scalar: string, value: unknown): string[] {
  if (/^(int|float)/.test(scalar) && typeof value !== "number") return [`expected numeric (int or float), got ${goType(value)}`];
  if (scalar === "bool" && typeof value !== "boolean") return [`expected boolean, got ${goValue(value)}`];
  if (["string", "[]byte", "Time", "MicroTime"].includes(scalar) && typeof value !== "string") {
    return [`expected string, got &value.valueUnstructured{Value:${goValue(value)}}`];
  }
  return [];
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return "[]interface {}";
  if (isRecord(value)) return "map[string]interface {}";
  return typeof value === "boolean" ? "bool" : typeof value === "number" ? "int64" : typeof value;
}

/** A JSON value as Go's %v prints it: `map[a:1 b:[x y]]`. */
export function goValue(value: unknown): string {
  if (value === null || value === undefined) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(goValue).join(" ")}]`;
  if (!isRecord(value)) return String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([key, inner]) => `${key}:${goValue(inner)}`).join(" ")}]`;
}
