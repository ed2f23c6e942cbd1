// proxy-cookie-domain, proxy-cookie-path: Domain and Path of the pod's cookies, in the client's terms.
// Upstream: internal/ingress/annotations/proxy; proxy_cookie_domain and proxy_cookie_path of ngx_http_proxy_module.
import { type AnnotationReader, annotationGroup, medium } from "./annotation.ts";
import { passedBy } from "./backend-protocol.ts";
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
  parse(read) {
    if (passedBy(read) !== "proxy") return { domain: undefined, path: undefined };
    const [domain, path] = [pair(read, "proxy-cookie-domain"), pair(read, "proxy-cookie-path")];
    return { domain: domain && domainReplacement(...domain), path: path && replacement(...path) };
  },
});

function pair(read: AnnotationReader, name: string): readonly [from: string, to: string] | undefined {
  const [from = "off", to] = words(read.text(name) ?? read.config.text(name, "off"));
  return from === "off" || to === undefined ? undefined : [from, to];
}

/** As nginx reads a directive: what stands in quotes is one word. */
const words = (text: string): readonly string[] =>
  [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, double, single, bare]) => double ?? single ?? bare ?? "");

/** A whole name, whatever its letters; a dot before it counts on neither side. */
function domainReplacement(from: string, to: string): Replace | undefined {
  if (from.startsWith("~")) return replacement(from, to);
  const bare = (name: string): string => (name.startsWith(".") ? name.slice(1) : name);
  const [pattern, instead] = [bare(from).toLowerCase(), bare(to)];
  return (value) => (bare(value).toLowerCase() === pattern ? (value.startsWith(".") ? "." : "") + instead : value);
}

/** A Set-Cookie line of the pod's answer, rewritten; as it was when nothing in it is. */
export function cookieInClientTerms({ domain, path }: ProxyCookie, line: string): string {
  let changed = false;
  const parts = line.split(/; */).map((part, i) => {
    const equals = part.indexOf("=");
    const key = part.slice(0, equals);
    const replace = i === 0 ? undefined : { domain, path }[key.toLowerCase()];
    const before = part.slice(equals + 1);
    const after = replace?.(before) ?? before;
    if (after === before) return part;
    changed = true;
    return `${key}=${after}`;
  });
  return changed ? parts.join("; ") : line;
}
