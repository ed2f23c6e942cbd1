// proxy-http-version: 1.0 or 1.1 towards the pod.
// Upstream: internal/ingress/annotations/proxy.
import { annotationGroup, low } from "./annotation.ts";
import { oneOf } from "./validators.ts";

export const proxyHttpVersion = annotationGroup<"1.0" | "1.1">({
  upstream: "Proxy",
  annotations: { "proxy-http-version": low(oneOf(["1.0", "1.1"])) },
  parse: (read) => ((read.text("proxy-http-version") ?? read.config.text("proxy-http-version", "1.1")) === "1.0" ? "1.0" : "1.1"),
});
