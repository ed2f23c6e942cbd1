// proxy-cookie-domain, proxy-cookie-path: Domain and Path of the pod's cookies, in the client's terms.
// Upstream: internal/ingress/annotations/proxy; proxy_cookie_domain and proxy_cookie_path of ngx_http_proxy_module.
import { type AnnotationReader, annotationGroup, medium } from "./annotation.ts";
import { type Replace, replacement } from "./replacement.ts";
import { matching, URL_CHARS } from "./validators.ts";

export interface ProxyCookie {
  readonly domain: Replace | undefined;
  readonly path: Replace | undefined;
}

const WORD = "[\\-._~a-zA-Z0-9/:]+";

export const proxyCookie = annotationGroup<ProxyCookie>({
  upstream: "Proxy",
  annotations: {
    "proxy-cookie-domain": medium(matching(new RegExp(`^(?:off|${WORD}\\s+${WORD})$`), "keep")),
    "proxy-cookie-path": medium(URL_CHARS),
  },
  parse: (read) => ({ domain: pair(read, "proxy-cookie-domain"), path: pair(read, "proxy-cookie-path") }),
});

function pair(read: AnnotationReader, name: string): Replace | undefined {
  const [from = "off", to] = (read.text(name) ?? read.config.text(name, "off")).split(/\s+/);
  return from === "off" || to === undefined ? undefined : replacement(from, to);
}

/** A Set-Cookie line of the pod's answer, rewritten. */
export function cookieInClientTerms({ domain, path }: ProxyCookie, value: string): string {
  return value
    .split(/; */)
    .map((part) => {
      const [key = "", text = ""] = [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)];
      if (key.toLowerCase() === "domain" && domain) return `${key}=${domain(text)}`;
      return key.toLowerCase() === "path" && path ? `${key}=${path(text)}` : part;
    })
    .join("; ");
}
