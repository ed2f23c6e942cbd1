// server-alias: more names for the host's server: nginx's, with `*` at either end and `~` before a regular expression.
// The first Ingress with aliases decides; an alias that is a host itself is left out.
// Upstream: internal/ingress/annotations/alias.
import { annotationGroup, high } from "./annotation.ts";
import { SERVER_NAMES } from "./validators.ts";

export const serverAlias = annotationGroup<readonly string[]>({
  upstream: "Aliases",
  annotations: { "server-alias": high(SERVER_NAMES, "drop") },
  parse: (read) => [...new Set(read.list("server-alias").map((name) => (name.startsWith("~") ? name : name.toLowerCase())))].sort(),
});
