// allowlist-source-range, by its older name whitelist-source-range: 403 for all other client addresses. The step is in access.ts.
// Upstream: internal/ingress/annotations/ipallowlist.
import type { Cidr } from "../../model/ip.ts";
import { annotationGroup, LocationDenied, medium } from "./annotation.ts";
import { cidrsOf } from "./source-range.ts";
import { CIDRS } from "./validators.ts";

/** Empty: everybody. */
export const allowlistSourceRange = annotationGroup<readonly Cidr[]>({
  upstream: "Allowlist",
  annotations: { "allowlist-source-range": medium(CIDRS, "deny", ["whitelist-source-range"]) },
  parse(read) {
    const own = read.text("allowlist-source-range");
    if (own === undefined && read.blank("allowlist-source-range"))
      throw new LocationDenied(`the annotation ${read.config.prefix}allowlist-source-range does not contain a valid value ()`);
    return cidrsOf(own ?? read.config.text("whitelist-source-range"));
  },
});
