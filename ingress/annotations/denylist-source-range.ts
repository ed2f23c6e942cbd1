// denylist-source-range: 403 for these client addresses, before the allow list is asked. The step is in access.ts.
// Upstream: internal/ingress/annotations/ipdenylist.
import type { Cidr } from "../../model/ip.ts";
import { annotationGroup, LocationDenied, medium } from "./annotation.ts";
import { cidrsOf } from "./source-range.ts";
import { CIDRS } from "./validators.ts";

export const denylistSourceRange = annotationGroup<readonly Cidr[]>({
  upstream: "Denylist",
  annotations: { "denylist-source-range": medium(CIDRS, "deny") },
  parse(read) {
    const own = read.text("denylist-source-range");
    if (own === undefined && read.blank("denylist-source-range"))
      throw new LocationDenied(`the annotation ${read.config.prefix}denylist-source-range does not contain a valid value ()`);
    return cidrsOf(own ?? read.config.text("denylist-source-range"));
  },
});
