// proxy-redirect-from, proxy-redirect-to: Location and Refresh of the pod's answer, in the client's terms.
// Upstream: internal/ingress/annotations/proxy; proxy_redirect of ngx_http_proxy_module.
import { annotationGroup, medium } from "./annotation.ts";
import { passedBy } from "./backend-protocol.ts";
import { type Replace, replacement } from "./replacement.ts";
import { URL_CHARS } from "./validators.ts";

/** Undefined: as the pod says. `default` is what the template names in proxy_pass, and its root. */
export const proxyRedirect = annotationGroup<Replace | undefined>({
  upstream: "Proxy",
  annotations: { "proxy-redirect-from": medium(URL_CHARS), "proxy-redirect-to": medium(URL_CHARS) },
  parse(read) {
    if (passedBy(read) !== "proxy") return undefined;
    const from = read.text("proxy-redirect-from") ?? read.config.text("proxy-redirect-from", "off");
    const to = read.text("proxy-redirect-to") ?? read.config.text("proxy-redirect-to", "off");
    if (from === "default")
      return replacement(`${read.text("backend-protocol")?.toUpperCase() === "HTTPS" ? "https" : "http"}://upstream_balancer/`, "/");
    return from === "off" || to === "off" ? undefined : replacement(from, to);
  },
});
