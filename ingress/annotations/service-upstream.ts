// service-upstream: the ClusterIP is the only peer, and kube-proxy balances.
// Upstream: internal/ingress/annotations/serviceupstream.
import { annotationGroup } from "./annotation.ts";

export const serviceUpstream = annotationGroup<boolean>({
  name: "serviceUpstream",
  annotations: ["service-upstream"],
  parse: (read) => read.flag("service-upstream", read.config.flag("service-upstream", false)),
});
