// Whether an Ingress defines a location that another one has: what admission refuses.
// Upstream: controller.go checkOverlap, location.go updateServerLocations. A Prefix path is a location with a final slash, and one
// without where no Exact path is there; a path that is rewritten, or of regular expressions, is one location as written.
import { compareText } from "../../model/text.ts";
import type { IngressPart, PartRule } from "./ingress-part.ts";
import type { Owner } from "./route-table.ts";
import { regexSwitch } from "./server.ts";

/** The message; undefined: no other has one. `others` of its hosts and paths, first first, without canaries. */
export function overlap(part: IngressPart, others: readonly IngressPart[]): string | undefined {
  for (const [host, rules] of part.hosts) {
    const locations = locationsOf(host, [...others, part]);
    for (const { path } of rules) {
      const taken = locations.find((location) => location.path === path && location.owner !== part.owner);
      if (taken) return `host "${host}" and path "${path}" is already defined in ingress ${taken.owner}`;
    }
  }
  return undefined;
}

/** In the order of nginx's configuration. */
function locationsOf(host: string, parts: readonly IngressPart[]): readonly { readonly path: string; readonly owner: Owner }[] {
  const rules = new Map<string, { readonly rule: PartRule; readonly part: IngressPart }>();
  for (const part of parts)
    for (const rule of part.hosts.get(host) ?? []) {
      const key = `${rule.pathType} ${rule.path}`;
      if (!rules.has(key)) rules.set(key, { rule, part });
    }
  return [...rules.values()]
    .sort((a, b) => b.rule.path.length - a.rule.path.length || compareText(b.rule.path, a.rule.path))
    .flatMap(({ rule, part }) => {
      const { path, pathType } = rule;
      const { owner } = part;
      if (path === "/" || pathType === "Exact" || regexSwitch({ rule, annotations: part.annotations }) !== undefined)
        return [{ path, owner }];
      const below = { path: path.endsWith("/") ? path : `${path}/`, owner };
      return rules.has(`Exact ${path}`) ? [below] : [below, { path, owner }];
    });
}
