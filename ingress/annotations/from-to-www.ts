// from-to-www-redirect: a server for the other of `example.com` and `www.example.com` answers 308.
// Upstream: controller.go, "redirects"; skipped when that host exists.
import { annotationGroup } from "./annotation.ts";

export const fromToWww = annotationGroup<boolean>({
  name: "fromToWww",
  annotations: ["from-to-www-redirect"],
  parse: (read) => read.flag("from-to-www-redirect", false),
});
