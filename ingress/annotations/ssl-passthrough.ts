// ssl-passthrough: TLS goes to the Service unopened, by SNI, when the controller has --enable-ssl-passthrough; otherwise it has no effect.
// Upstream: internal/ingress/annotations/sslpassthrough.
import { annotationGroup, low } from "./annotation.ts";
import { BOOL } from "./validators.ts";

/** What an Ingress that asks for it is told while the flag is not set, behind the prefix of annotations. */
export const PASSTHROUGH_OFF = "ssl-passthrough: no effect without --enable-ssl-passthrough; TLS ends at the controller";

export const sslPassthrough = annotationGroup<boolean>({
  upstream: "SSLPassthrough",
  annotations: { "ssl-passthrough": low(BOOL, "drop") },
  parse: (read) => read.flag("ssl-passthrough", false),
});
