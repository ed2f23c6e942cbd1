// server-alias: more names for the host's server. The first Ingress with aliases decides; an alias that is a host itself is left out.
// Upstream: internal/ingress/annotations/alias.
import { annotationGroup } from "./annotation.ts";

export const serverAlias = annotationGroup<readonly string[]>({
  name: "serverAlias",
  annotations: ["server-alias"],
  parse: (read) => [...new Set(read.list("server-alias").map((name) => name.toLowerCase()))].sort(),
});
