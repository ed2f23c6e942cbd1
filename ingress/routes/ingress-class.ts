// Which Ingresses this controller serves.
// Upstream: internal/ingress/controller/store/store.go (GetIngressClass), ingressclass.
import type { Ingress, IngressClass } from "../../model/kinds/networking-v1.ts";
import { type LabelMatcher, parseLabelSelector } from "../../model/selectors.ts";
import type { ControllerFlags } from "../config.ts";

export const CLASS_ANNOTATION = "kubernetes.io/ingress.class";

/** What of the cluster decides. */
export interface ClassFacts {
  classOf(name: string): IngressClass | undefined;
  /** Undefined: there is no such namespace. */
  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined;
}

const selectors = new Map<string, LabelMatcher>();

/** --watch-namespace-selector, which must be one. */
export function namespaceSelector(text: string): LabelMatcher {
  let matches = selectors.get(text);
  if (!matches) selectors.set(text, (matches = parseLabelSelector(text)));
  return matches;
}

/** Undefined when its namespace is watched, else why not. */
export function unwatchedBecause(ingress: Ingress, flags: ControllerFlags, { namespaceLabels }: ClassFacts): string | undefined {
  if (flags.watchNamespaceSelector !== "") {
    const labels = namespaceLabels(ingress.metadata.namespace ?? "");
    if (!labels || !namespaceSelector(flags.watchNamespaceSelector)(labels))
      return `namespace ${ingress.metadata.namespace} does not match --watch-namespace-selector ${flags.watchNamespaceSelector}`;
  }
  if (flags.watchNamespace !== "" && ingress.metadata.namespace !== flags.watchNamespace)
    return `namespace ${ingress.metadata.namespace} is not watched`;
  return undefined;
}

/** Undefined when it counts, else why not. The annotation is only looked at without spec.ingressClassName. */
export function ignoredBecause(ingress: Ingress, flags: ControllerFlags, facts: ClassFacts): string | undefined {
  const unwatched = unwatchedBecause(ingress, flags, facts);
  if (unwatched !== undefined) return unwatched;
  const { classOf } = facts;
  const name = ingress.spec.ingressClassName;
  if (name !== undefined && name !== "") {
    const found = classOf(name);
    if (!found) return `IngressClass ${name} does not exist`;
    if (flags.ingressClassByName && name === flags.ingressClass) return undefined;
    if (found.spec.controller === flags.controllerClass) return undefined;
    return `IngressClass ${name} belongs to controller ${found.spec.controller ?? '""'}, not ${flags.controllerClass}`;
  }
  const annotation = ingress.metadata.annotations?.[CLASS_ANNOTATION];
  if (annotation !== undefined) {
    return annotation === flags.ingressClass ? undefined : `annotation ${CLASS_ANNOTATION} is ${annotation}, not ${flags.ingressClass}`;
  }
  if (flags.watchIngressWithoutClass) return undefined;
  return `it names no class: neither spec.ingressClassName nor the annotation ${CLASS_ANNOTATION} is set`;
}
