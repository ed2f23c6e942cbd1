// Defaults of the networking group.
// Upstream: pkg/apis/networking/v1/defaults.go. An Ingress has none: pathType is required.
import type { IngressClass, NetworkPolicy } from "../../kinds/networking-v1.ts";
import type { Draft } from "../../object.ts";

export const defaultNetwork = {
  "networking/v1.IngressClass": (ingressClass: Draft<IngressClass>): void => {
    const parameters = ingressClass.spec?.parameters;
    if (parameters) parameters.scope ??= "Cluster";
  },
  "networking/v1.NetworkPolicy": (policy: Draft<NetworkPolicy>): void => {
    const spec = (policy.spec ??= { podSelector: {} });
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) for (const port of rule.ports ?? []) port.protocol ??= "TCP";
    if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ["Ingress", "Egress"] : ["Ingress"];
  },
};
