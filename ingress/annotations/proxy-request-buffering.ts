// proxy-request-buffering: whether a request's body is read before a pod is asked.
// Upstream: internal/ingress/annotations/proxy. What it is read into (client-body-buffer-size) nobody can see.
import { annotationGroup, low } from "./annotation.ts";
import { ON_OFF } from "./validators.ts";

export const proxyRequestBuffering = annotationGroup<boolean>({
  upstream: "Proxy",
  annotations: { "proxy-request-buffering": low(ON_OFF) },
  parse: (read) => (read.text("proxy-request-buffering") ?? read.config.text("proxy-request-buffering", "on")) !== "off",
});
