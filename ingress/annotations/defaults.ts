// What groups give an Ingress that has none of the annotations they look at: made once for a ConfigMap, since most Ingresses have few.
// Upstream: none; it reads every group of every Ingress.
import type { ControllerConfig } from "../config.ts";
import { AnnotationReader, type AnnotationRule, type CompilableGroup, type GroupResult } from "./annotation.ts";

export interface GroupDefault {
  readonly result: GroupResult<unknown>;
  /** An Ingress with one of these has a result of its own. */
  readonly names: ReadonlySet<string>;
}
type Groups = Readonly<Record<string, CompilableGroup<unknown>>>;

const known = new WeakMap<ControllerConfig, ReadonlyMap<string, GroupDefault>>();

/** By group; those are missing that look at the Ingress itself, or find something wrong in the ConfigMap. */
export function groupDefaults(
  config: ControllerConfig,
  groups: Groups,
  rules: ReadonlyMap<string, AnnotationRule>,
): ReadonlyMap<string, GroupDefault> {
  let defaults = known.get(config);
  if (!defaults) {
    defaults = new Map(Object.entries(groups).flatMap(([name, group]) => entryOf(name, group, config, rules)));
    known.set(config, defaults);
  }
  return defaults;
}

function entryOf(
  name: string,
  group: CompilableGroup<unknown>,
  config: ControllerConfig,
  rules: ReadonlyMap<string, AnnotationRule>,
): readonly (readonly [string, GroupDefault])[] {
  const looked = { names: new Set<string>(), atIngress: false };
  const read = new AnnotationReader(undefined, config, rules, looked);
  try {
    const result = group.compile(read);
    return looked.atIngress || read.problems.length > 0 ? [] : [[name, { result, names: looked.names }]];
  } catch {
    return [];
  }
}
