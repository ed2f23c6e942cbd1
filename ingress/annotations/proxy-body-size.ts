// proxy-body-size: 413 for larger request bodies.
// Upstream: internal/ingress/annotations/proxy; client_max_body_size of ngx_http_core_module.
import { annotationGroup, medium, sizeBytes } from "./annotation.ts";
import { SIZE } from "./validators.ts";

/** nginx's own, where the template leaves the directive out: `8b` is a size for the validator alone. */
const NGINX_BYTES = 1024 ** 2;

/** Bytes; 0: no limit. */
export const proxyBodySize = annotationGroup<number>({
  upstream: "Proxy",
  annotations: { "proxy-body-size": medium(SIZE) },
  parse: (read) =>
    read.text("proxy-body-size") === undefined
      ? sizeOf(read.config.text("proxy-body-size", "1m"))
      : read.size("proxy-body-size", NGINX_BYTES),
});

const sizeOf = (text: string): number => sizeBytes(text) ?? NGINX_BYTES;
