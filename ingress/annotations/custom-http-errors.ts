// custom-http-errors: statuses whose answer another Service gives.
// Upstream: internal/ingress/annotations/customhttperrors; nginx.tmpl CUSTOM_ERRORS.
import { annotationGroup, low } from "./annotation.ts";
import { matching } from "./validators.ts";

export const customHttpErrors = annotationGroup<ReadonlySet<number>>({
  upstream: "CustomHTTPErrors",
  annotations: { "custom-http-errors": low(matching(/^(?:[4,5]\d{2},?)*$/), "drop") },
  parse(read) {
    const own = read.list("custom-http-errors");
    // The ConfigMap may name redirects too (configmap.go filterErrors).
    const codes = (own.length > 0 ? own : read.config.list("custom-http-errors")).map(Number);
    return new Set(codes.filter((code) => Number.isInteger(code) && code >= 300 && code <= 599));
  },
});
