// service-upstream: the ClusterIP is the only peer, and kube-proxy balances.
// Upstream: internal/ingress/annotations/serviceupstream.
import { annotationGroup, low } from "./annotation.ts";
import { BOOL } from "./validators.ts";

export const serviceUpstream = annotationGroup<boolean>({
  upstream: "ServiceUpstream",
  annotations: { "service-upstream": low(BOOL) },
  // The ConfigMap's value is that of Ingresses without the annotation, not of those with a wrong one.
  parse: (read) => read.flag("service-upstream", !read.named("service-upstream") && read.config.flag("service-upstream", false)),
});
