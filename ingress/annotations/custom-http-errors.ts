// custom-http-errors: statuses whose answer another Service gives.
// Upstream: internal/ingress/annotations/customhttperrors; nginx.tmpl CUSTOM_ERRORS.
import { annotationGroup, low } from "./annotation.ts";
import { matching } from "./validators.ts";

export interface CustomHttpErrors {
  /** The annotation's, answered by the default-backend annotation's Service or the controller's default backend. */
  readonly own: ReadonlySet<number>;
  /** The ConfigMap's, answered by the controller's default backend. */
  readonly everywhere: ReadonlySet<number>;
}

export const customHttpErrors = annotationGroup<CustomHttpErrors>({
  upstream: "CustomHTTPErrors",
  annotations: { "custom-http-errors": low(matching(/^(?:[4,5]\d{2},?)*$/), "drop") },
  parse: (read) => ({
    own: codes(read.list("custom-http-errors")),
    // The ConfigMap may name redirects too (configmap.go filterErrors).
    everywhere: codes(read.config.list("custom-http-errors")),
  }),
});

const codes = (texts: readonly string[]): ReadonlySet<number> =>
  new Set(texts.map(Number).filter((code) => Number.isInteger(code) && code >= 300 && code <= 599));
