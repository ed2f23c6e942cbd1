// enable-access-log: whether requests to the Ingress are in the access log.
// Upstream: internal/ingress/annotations/log. Its default is true; here what the ConfigMap says counts where the annotation is absent.
import { annotationGroup, low } from "./annotation.ts";
import { BOOL } from "./validators.ts";

/** Undefined: as the ConfigMap says. */
export const accessLog = annotationGroup<boolean | undefined>({
  upstream: "Logs",
  annotations: { "enable-access-log": low(BOOL) },
  parse: (read) => (read.text("enable-access-log") === undefined ? undefined : read.flag("enable-access-log", true)),
});
