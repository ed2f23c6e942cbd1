// app-root: `/` of the host is sent to a path, wherever the Ingress's own paths are, before any location is looked for (evaluate.ts).
// Upstream: internal/ingress/annotations/rewrite. An absolute path only; nginx.tmpl server block: the first location with it decides.
import { annotationGroup, medium } from "./annotation.ts";
import { PATH_WITH_CAPTURES_KEPT } from "./validators.ts";

/** "" is none. */
export const appRoot = annotationGroup<string>({
  upstream: "Rewrite",
  annotations: { "app-root": medium(PATH_WITH_CAPTURES_KEPT) },
  parse(read) {
    const target = read.text("app-root") ?? "";
    if (target === "" || target.startsWith("/")) return target;
    read.problem("app-root", "must be an absolute path");
    return "";
  },
});
