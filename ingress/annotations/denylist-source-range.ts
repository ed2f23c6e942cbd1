// denylist-source-range: 403 for these client addresses, before the allow list is asked. The step is in access.ts.
// Upstream: internal/ingress/annotations/ipdenylist.
import type { Cidr } from "../../model/ip.ts";
import { annotationGroup, medium } from "./annotation.ts";
import { cidrsOf } from "./source-range.ts";
import { CIDRS } from "./validators.ts";

export const denylistSourceRange = annotationGroup<readonly Cidr[]>({
  upstream: "Denylist",
  annotations: { "denylist-source-range": medium(CIDRS, "deny") },
  parse: (read) => cidrsOf(read.text("denylist-source-range") ?? read.config.text("denylist-source-range")),
});
