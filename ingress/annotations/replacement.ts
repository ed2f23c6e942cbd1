// How a text that a pod says of itself is put into the client's terms: a beginning, or a `~` regular expression, and what stands instead.
// Upstream: ngx_http_proxy_module, ngx_http_proxy_rewrite.
import { BoundedRegex } from "../bounded-regex.ts";

/** Replaces a value's beginning, or leaves it. */
export type Replace = (value: string) => string;

/** Undefined for a regular expression that does not compile. */
export function replacement(from: string, to: string): Replace | undefined {
  if (!from.startsWith("~")) return (value) => (value.startsWith(from) ? to + value.slice(from.length) : value);
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
