// ssl-passthrough: TLS would go to the pod unopened, by SNI. It is read for the routes and not carried yet, which a Warning says.
// Upstream: internal/ingress/annotations/sslpassthrough.
import { annotationGroup, low } from "./annotation.ts";
import { BOOL } from "./validators.ts";

export const sslPassthrough = annotationGroup<boolean>({
  upstream: "SSLPassthrough",
  annotations: { "ssl-passthrough": low(BOOL, "drop") },
  parse(read) {
    const wanted = read.flag("ssl-passthrough", false);
    if (wanted) read.problem("ssl-passthrough", "is not modelled; TLS ends at the controller");
    return wanted;
  },
});
