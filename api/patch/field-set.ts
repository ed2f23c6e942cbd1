// A set of field paths, as managedFields stores them: a trie whose keys are path elements (`f:name`, `k:{…}`, `v:…`, `i:n`).
// Upstream: structured-merge-diff fieldpath/set.go and its fieldsV1 serialisation.
import type { JsonObject } from "../../model/object.ts";

/** A serialised path element: `f:replicas`, `k:{"name":"web"}`, `v:"x"`, `i:0`. */
export type PathElement = string;

interface Node {
  member: boolean;
  children: FieldSet | undefined;
}

const RANK = "fkvi";

/** Sets of paths with the algebra that ownership needs. Operations return new sets; `insert` alone changes one. */
export class FieldSet {
  readonly #nodes = new Map<PathElement, Node>();

  /** Adds a path. The empty path is no member of anything. */
  insert(path: readonly PathElement[]): void {
    const [head, ...rest] = path;
    if (head === undefined) return;
    const node = this.#node(head);
    if (rest.length === 0) node.member = true;
    else (node.children ??= new FieldSet()).insert(rest);
  }
  get isEmpty(): boolean {
    for (const { member, children } of this.#nodes.values()) if (member || (children && !children.isEmpty)) return false;
    return true;
  }
  /** True when the element itself is a member. */
  has(element: PathElement): boolean {
    return this.#nodes.get(element)?.member ?? false;
  }
  /** What lies below an element; undefined when nothing does. */
  below(element: PathElement): FieldSet | undefined {
    const children = this.#nodes.get(element)?.children;
    return children && !children.isEmpty ? children : undefined;
  }
  /** The elements that have members below them. */
  get parents(): readonly PathElement[] {
    return [...this.#nodes.keys()].filter((element) => this.below(element) !== undefined);
  }
  union(other: FieldSet): FieldSet {
    return this.#combine(
      other,
      (here, there) => here || there,
      (here, there) => (here && there ? here.union(there) : (here ?? there)),
    );
  }
  intersection(other: FieldSet): FieldSet {
    return this.#combine(
      other,
      (here, there) => here && there,
      (here, there) => (here && there ? here.intersection(there) : undefined),
    );
  }
  /** Members of this set that are not members of the other; a member of the other does not take what lies below it. */
  difference(other: FieldSet): FieldSet {
    return this.#combine(
      other,
      (here, there) => here && !there,
      (here, there) => (here && there ? here.difference(there) : here),
    );
  }
  /** Like difference, but a member of the other takes all that lies below it. */
  without(other: FieldSet): FieldSet {
    return this.#combine(
      other,
      (here, there) => here && !there,
      (here, there, taken) => (taken ? undefined : here && there ? here.without(there) : here),
    );
  }
  /** This set with `element` made a member. */
  withMembers(elements: Iterable<PathElement>, below: (element: PathElement, children: FieldSet) => FieldSet): FieldSet {
    const out = new FieldSet();
    for (const [element, { member, children }] of this.#nodes) {
      out.#nodes.set(element, { member, children: children && below(element, children) });
    }
    for (const element of elements) out.#node(element).member = true;
    return out;
  }
  equals(other: FieldSet): boolean {
    return this.difference(other).isEmpty && other.difference(this).isEmpty;
  }
  /** All member paths, parents before what lies below them. */
  *paths(prefix: readonly PathElement[] = []): Generator<readonly PathElement[]> {
    for (const [element, { member, children }] of this.#sorted()) {
      const path = [...prefix, element];
      if (member) yield path;
      if (children) yield* children.paths(path);
    }
  }
  /** FieldsV1 JSON. */
  toJson(): JsonObject {
    const out: Record<string, JsonObject> = {};
    for (const [element, { member, children }] of this.#sorted()) {
      const inner = children && !children.isEmpty ? children.toJson() : {};
      if (!member && Object.keys(inner).length === 0) continue;
      out[element] = member && Object.keys(inner).length > 0 ? { ".": {}, ...inner } : inner;
    }
    return out;
  }
  /** Reads FieldsV1 JSON; what is not of its form is left out. */
  static fromJson(json: unknown): FieldSet {
    const set = new FieldSet();
    if (typeof json !== "object" || json === null) return set;
    for (const [element, inner] of Object.entries(json)) {
      if (element === "." || !/^[fkvi]:/.test(element)) continue;
      const below: unknown = inner;
      const keys = typeof below === "object" && below !== null ? Object.keys(below) : [];
      const children = keys.some((key) => key !== ".") ? FieldSet.fromJson(below) : undefined;
      set.#nodes.set(element, { member: keys.length === 0 || keys.includes("."), children });
    }
    return set;
  }
  #node(element: PathElement): Node {
    let node = this.#nodes.get(element);
    if (!node) this.#nodes.set(element, (node = { member: false, children: undefined }));
    return node;
  }
  #sorted(): [PathElement, Node][] {
    const rank = (element: PathElement): number => RANK.indexOf(element[0] ?? "");
    return [...this.#nodes].sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0));
  }
  #combine(
    other: FieldSet,
    keep: (here: boolean, there: boolean) => boolean,
    descend: (here: FieldSet | undefined, there: FieldSet | undefined, taken: boolean) => FieldSet | undefined,
  ): FieldSet {
    const out = new FieldSet();
    for (const element of new Set([...this.#nodes.keys(), ...other.#nodes.keys()])) {
      const here = this.#nodes.get(element);
      const there = other.#nodes.get(element);
      const member = keep(here?.member ?? false, there?.member ?? false);
      const children = descend(here?.children, there?.children, there?.member ?? false);
      if (member || (children && !children.isEmpty)) out.#nodes.set(element, { member, children });
    }
    return out;
  }
}

/** `.spec.ports[port=80,protocol="TCP"].nodePort`, as error messages print a path. */
export function pathText(path: readonly PathElement[]): string {
  return path
    .map((element) => {
      const body = element.slice(2);
      if (element.startsWith("f:")) return `.${body}`;
      if (element.startsWith("v:")) return `[=${body}]`;
      if (element.startsWith("i:")) return `[${body}]`;
      const keys = Object.entries(JSON.parse(body) as Record<string, unknown>);
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
    })
    .join("");
}
