// The ConfigMap's hide-headers: headers of pods that clients do not see. No annotation.
// Upstream: proxy_hide_header of ngx_http_proxy_module.
import { annotationGroup } from "./annotation.ts";
import { passedBy } from "./backend-protocol.ts";

/** In lower case. */
export const hideHeaders = annotationGroup<ReadonlySet<string>>({
  upstream: "",
  annotations: {},
  parse: (read) => new Set(passedBy(read) === "proxy" ? read.config.list("hide-headers").map((name) => name.toLowerCase()) : []),
});
