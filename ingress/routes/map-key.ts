// A key of an nginx map: `~*regex`, `~regex`, or text compared without regard to case.
// Upstream: ngx_http_map_module, as the template fills it from lists of the ConfigMap.
import { BoundedRegex, RegexTimeout } from "../bounded-regex.ts";

/** Undefined for a regular expression that does not compile. One that takes too long does not match. */
export function mapKey(text: string): ((value: string) => boolean) | undefined {
  if (!text.startsWith("~")) return (value) => value.toLowerCase() === text.toLowerCase();
  const insensitive = text.startsWith("~*");
  try {
    const regex = new BoundedRegex(text.slice(insensitive ? 2 : 1), insensitive ? "i" : "");
    return (value) => matches(regex, value);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function matches(regex: BoundedRegex, value: string): boolean {
  try {
    return regex.test(value);
  } catch (error) {
    if (error instanceof RegexTimeout) return false;
    throw error;
  }
}
