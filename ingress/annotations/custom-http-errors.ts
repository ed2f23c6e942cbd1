// custom-http-errors: statuses whose answer another Service gives.
// Upstream: internal/ingress/annotations/customhttperrors; nginx.tmpl CUSTOM_ERRORS.
import { annotationGroup, low } from "./annotation.ts";
import { matching } from "./validators.ts";

export interface CustomHttpErrors {
  readonly codes: ReadonlySet<number>;
  /** The Ingress names them itself: then its `default-backend` answers. Those of the ConfigMap go to the controller's. */
  readonly own: boolean;
}

export const customHttpErrors = annotationGroup<CustomHttpErrors>({
  upstream: "CustomHTTPErrors",
  annotations: { "custom-http-errors": low(matching(/^(?:[4,5]\d{2},?)*$/), "drop") },
  parse(read) {
    const own = read.list("custom-http-errors");
    // The ConfigMap may name redirects too (configmap.go filterErrors).
    const codes = (own.length > 0 ? own : read.config.list("custom-http-errors")).map(Number);
    return { codes: new Set(codes.filter((code) => Number.isInteger(code) && code >= 300 && code <= 599)), own: own.length > 0 };
  },
});
