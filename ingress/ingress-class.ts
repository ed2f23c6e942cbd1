// Which Ingresses this controller serves.
// Upstream: internal/ingress/controller/store/store.go (GetIngressClass), ingressclass.
import type { Ingress, IngressClass } from "../model/kinds/networking-v1.ts";
import type { ControllerFlags } from "./config.ts";

export const CLASS_ANNOTATION = "kubernetes.io/ingress.class";

/** Undefined when it counts, else why not. The annotation is only looked at without spec.ingressClassName. */
export function ignoredBecause(
  ingress: Ingress,
  flags: ControllerFlags,
  classOf: (name: string) => IngressClass | undefined,
): string | undefined {
  if (flags.watchNamespace !== "" && ingress.metadata.namespace !== flags.watchNamespace)
    return `namespace ${ingress.metadata.namespace} is not watched`;
  const name = ingress.spec.ingressClassName;
  if (name !== undefined && name !== "") {
    if (flags.ingressClassByName && name === flags.ingressClass) return undefined;
    const found = classOf(name);
    if (!found) return `IngressClass ${name} does not exist`;
    if (found.spec.controller === flags.controllerClass) return undefined;
    return `IngressClass ${name} belongs to controller ${found.spec.controller ?? '""'}, not ${flags.controllerClass}`;
  }
  const annotation = ingress.metadata.annotations?.[CLASS_ANNOTATION];
  if (annotation !== undefined && annotation !== "") {
    return annotation === flags.ingressClass ? undefined : `annotation ${CLASS_ANNOTATION} is ${annotation}, not ${flags.ingressClass}`;
  }
  if (flags.watchIngressWithoutClass) return undefined;
  return `it names no class: neither spec.ingressClassName nor the annotation ${CLASS_ANNOTATION} is set`;
}
