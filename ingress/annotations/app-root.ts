// app-root: GET / is sent to a path.
// Upstream: internal/ingress/annotations/rewrite. An absolute path only.
import { redirect } from "../answer.ts";
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
  // The server asks before any location: of each of its locations' app-roots the first would answer.
  steps: (target, { path }) =>
    target === "" || path !== "/"
      ? []
      : [
          {
            phase: "rewrite",
            annotation: "app-root",
            run({ facts }) {
              if (facts.parsed.path !== "/") return undefined;
              return redirect(302, `${facts.scheme}://${facts.hostHeader ?? facts.host}${target}`, `app-root sends / to ${target}`);
            },
          },
        ],
});
