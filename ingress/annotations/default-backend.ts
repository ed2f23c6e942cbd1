// default-backend: the Service of the Ingress's namespace that answers where its own has no endpoints, and for custom-http-errors.
// Upstream: internal/ingress/annotations/defaultbackend.
import { annotationGroup, low } from "./annotation.ts";
import { SERVICE_NAME } from "./validators.ts";

/** "" is the controller's default backend. */
export const defaultBackend = annotationGroup<string>({
  upstream: "DefaultBackend",
  annotations: { "default-backend": low(SERVICE_NAME, "drop") },
  parse: (read) => read.text("default-backend") ?? "",
});
