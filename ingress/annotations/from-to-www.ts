// from-to-www-redirect: a server for the other of `example.com` and `www.example.com` answers 308.
// Upstream: controller.go, "redirects"; skipped when that host exists.
import { annotationGroup, low } from "./annotation.ts";
import { BOOL } from "./validators.ts";

export const fromToWww = annotationGroup<boolean>({
  upstream: "Redirect",
  annotations: { "from-to-www-redirect": low(BOOL, "drop") },
  parse: (read) => read.flag("from-to-www-redirect", false),
});
