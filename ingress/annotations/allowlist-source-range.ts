// allowlist-source-range, by its older name whitelist-source-range: 403 for all other client addresses. The step is in access.ts.
// Upstream: internal/ingress/annotations/ipallowlist.
import type { Cidr } from "../../model/ip.ts";
import { annotationGroup, medium } from "./annotation.ts";
import { cidrsOf } from "./source-range.ts";
import { CIDRS } from "./validators.ts";

/** Empty: everybody. */
export const allowlistSourceRange = annotationGroup<readonly Cidr[]>({
  upstream: "Allowlist",
  annotations: { "allowlist-source-range": medium(CIDRS, "deny", ["whitelist-source-range"]) },
  parse: (read) => cidrsOf(read.text("allowlist-source-range") ?? read.config.text("whitelist-source-range")),
});
