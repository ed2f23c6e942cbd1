// proxy-redirect-from, proxy-redirect-to: Location and Refresh of the pod's answer, in the client's terms.
// Upstream: internal/ingress/annotations/proxy; proxy_redirect of ngx_http_proxy_module.
import { annotationGroup, medium } from "./annotation.ts";
import { type Replace, replacement } from "./replacement.ts";
import { URL_CHARS } from "./validators.ts";

/** Undefined: as the pod says. */
export const proxyRedirect = annotationGroup<Replace | undefined>({
  upstream: "Proxy",
  annotations: { "proxy-redirect-from": medium(URL_CHARS), "proxy-redirect-to": medium(URL_CHARS) },
  parse(read) {
    const from = read.text("proxy-redirect-from") ?? read.config.text("proxy-redirect-from", "off");
    const to = read.text("proxy-redirect-to") ?? read.config.text("proxy-redirect-to", "off");
    return from === "off" || from === "default" || to === "off" ? undefined : replacement(from, to);
  },
});
