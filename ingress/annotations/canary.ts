// canary-*: an Ingress that lends its Service to the main rule of equal host, path and type, for some requests.
// Upstream: internal/ingress/annotations/canary, lua/balancer.lua route_to_alternative_balancer.
import { BoundedRegex, RegexTimeout } from "../bounded-regex.ts";
import type { Exchange } from "../request/exchange.ts";
import { cookieVariable, headerText, headerVariable } from "../request/variables.ts";
import { annotationGroup, low, medium } from "./annotation.ts";
import { BASIC, BOOL, INTEGER, REGEX } from "./validators.ts";

export interface Canary {
  readonly enabled: boolean;
  readonly weight: number;
  readonly weightTotal: number;
  readonly header: string;
  readonly headerValue: string;
  readonly headerPattern: string;
  readonly cookie: string;
}

export const canary = annotationGroup<Canary>({
  upstream: "Canary",
  annotations: {
    canary: low(BOOL),
    "canary-weight": low(INTEGER),
    "canary-weight-total": low(INTEGER),
    "canary-by-header": medium(BASIC),
    "canary-by-header-value": medium(BASIC),
    "canary-by-header-pattern": medium(REGEX),
    "canary-by-cookie": medium(BASIC),
  },
  parse: (read) => ({
    enabled: read.flag("canary", false),
    weight: read.number("canary-weight", 0),
    weightTotal: read.number("canary-weight-total", 100),
    header: read.text("canary-by-header") ?? "",
    headerValue: read.text("canary-by-header-value") ?? "",
    headerPattern: read.text("canary-by-header-pattern") ?? "",
    cookie: read.text("canary-by-cookie") ?? "",
  }),
});

/** The decision and its reason: header, then cookie, then weight. A sticky cookie has been asked before. */
export function canaryDecision(settings: Canary, exchange: Exchange): { readonly chosen: boolean; readonly why: string } {
  const sent = settings.header === "" ? undefined : headerVariable(exchange, settings.header.replaceAll("-", "_"));
  if (sent !== undefined) {
    const decided = byHeader(settings, sent);
    if (decided) return decided;
  }
  const value = settings.cookie === "" ? undefined : cookieVariable(headerText(exchange, "cookie"), settings.cookie);
  if (value === "always" || value === "never") return { chosen: value === "always", why: `cookie ${settings.cookie}=${value}` };
  const total = settings.weightTotal > 100 ? settings.weightTotal : 100;
  if (settings.weight <= 0) return { chosen: false, why: "no header, cookie or weight asks for it" };
  const drawn = exchange.world.random.int(total) + 1;
  return { chosen: drawn <= settings.weight, why: `weight ${settings.weight} of ${total}, and this request drew ${drawn}` };
}

function byHeader(settings: Canary, sent: string): { readonly chosen: boolean; readonly why: string } | undefined {
  const shown = `header ${settings.header}: ${sent}`;
  if (settings.headerValue !== "")
    return sent === settings.headerValue ? { chosen: true, why: `${shown} equals canary-by-header-value` } : undefined;
  if (settings.headerPattern !== "") {
    try {
      return new BoundedRegex(settings.headerPattern).test(sent)
        ? { chosen: true, why: `${shown} matches ${settings.headerPattern}` }
        : undefined;
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof RegexTimeout)
        return { chosen: false, why: `canary-by-header-pattern failed: ${error.message}` };
      throw error;
    }
  }
  return sent === "always" || sent === "never" ? { chosen: sent === "always", why: shown } : undefined;
}
