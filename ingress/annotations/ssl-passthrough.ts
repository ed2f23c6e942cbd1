// ssl-passthrough: TLS goes to the pod unopened, by SNI. Needs --enable-ssl-passthrough; all other annotations are void then.
// Upstream: internal/ingress/annotations/sslpassthrough.
import { annotationGroup } from "./annotation.ts";

export const sslPassthrough = annotationGroup<boolean>({
  name: "sslPassthrough",
  annotations: ["ssl-passthrough"],
  parse: (read) => read.flag("ssl-passthrough", false),
});
