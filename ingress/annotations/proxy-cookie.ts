// proxy-cookie-domain, proxy-cookie-path, proxy-redirect-from, proxy-redirect-to: what the pod says of itself, in the client's terms.
// Upstream: ngx_http_proxy_module proxy_cookie_domain, proxy_cookie_path, proxy_redirect (plain text and ~ regular expressions).
import { BoundedRegex } from "../bounded-regex.ts";
import { annotationGroup } from "./annotation.ts";

/** Replaces a value's beginning, or leaves it. */
export type Replace = (value: string) => string;

export interface ProxyCookie {
  readonly domain: Replace | undefined;
  readonly path: Replace | undefined;
  readonly location: Replace | undefined;
}

export const proxyCookie = annotationGroup<ProxyCookie>({
  name: "proxyCookie",
  annotations: ["proxy-cookie-domain", "proxy-cookie-path", "proxy-redirect-from", "proxy-redirect-to"],
  parse(read) {
    const pair = (name: string): Replace | undefined => {
      const [from = "off", to] = (read.text(name) ?? "off").split(/\s+/);
      return from === "off" || to === undefined ? undefined : replacement(from, to);
    };
    const from = read.text("proxy-redirect-from") ?? read.config.text("proxy-redirect-from", "off");
    const to = read.text("proxy-redirect-to") ?? read.config.text("proxy-redirect-to", "off");
    return {
      domain: pair("proxy-cookie-domain"),
      path: pair("proxy-cookie-path"),
      location: from === "off" || from === "default" || to === "off" ? undefined : replacement(from, to),
    };
  },
});

function replacement(from: string, to: string): Replace | undefined {
  if (!from.startsWith("~")) return (value) => (value.toLowerCase().startsWith(from.toLowerCase()) ? to + value.slice(from.length) : value);
  try {
    const regex = new BoundedRegex(from.slice(from.startsWith("~*") ? 2 : 1), from.startsWith("~*") ? "i" : "");
    return (value) => {
      const found = regex.exec(value);
      if (!found) return value;
      return (
        value.slice(0, found.index) +
        to.replace(/\$(\d)/g, (_, digit: string) => found[Number(digit)] ?? "") +
        value.slice(found.index + found[0].length)
      );
    };
  } catch {
    return undefined;
  }
}

/** Header lines of the pod's answer, rewritten. */
export function inClientTerms(settings: ProxyCookie, name: string, value: string): string {
  const lower = name.toLowerCase();
  if ((lower === "location" || lower === "refresh") && settings.location) return settings.location(value);
  if (lower !== "set-cookie" || (!settings.domain && !settings.path)) return value;
  return value
    .split(/; */)
    .map((part) => {
      const [key = "", text = ""] = [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)];
      if (key.toLowerCase() === "domain" && settings.domain) return `${key}=${settings.domain(text)}`;
      return key.toLowerCase() === "path" && settings.path ? `${key}=${settings.path(text)}` : part;
    })
    .join("; ");
}
