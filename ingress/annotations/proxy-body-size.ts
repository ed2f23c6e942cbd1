// proxy-body-size: 413 for larger request bodies.
// Upstream: internal/ingress/annotations/proxy; client_max_body_size of ngx_http_core_module.
import { annotationGroup, medium, sizeBytes } from "./annotation.ts";
import { SIZE } from "./validators.ts";

/** Bytes; 0: no limit. */
export const proxyBodySize = annotationGroup<number>({
  upstream: "Proxy",
  annotations: { "proxy-body-size": medium(SIZE) },
  parse: (read) => read.size("proxy-body-size", sizeBytes(read.config.text("proxy-body-size", "1m")) ?? 1024 ** 2),
});
