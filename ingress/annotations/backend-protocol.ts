// backend-protocol: what is spoken with the pods. Invalid values mean HTTP, which a Warning says.
// Upstream: internal/ingress/annotations/backendprotocol, proxy.
import { annotationGroup, type AnnotationReader, low } from "./annotation.ts";
import { oneOf } from "./validators.ts";

export const BACKEND_PROTOCOLS = ["HTTP", "HTTPS", "AUTO_HTTP", "GRPC", "GRPCS", "FCGI"] as const;
export type BackendProtocol = (typeof BACKEND_PROTOCOLS)[number];

export const backendProtocol = annotationGroup<BackendProtocol>({
  upstream: "BackendProtocol",
  annotations: { "backend-protocol": low(oneOf(["auto_http", "http", "https", "grpc", "grpcs", "fcgi"], "any case")) },
  parse(read) {
    const text = read.text("backend-protocol")?.toUpperCase();
    const found = BACKEND_PROTOCOLS.find((protocol) => protocol === text);
    return found ?? "HTTP";
  },
});

/** The module of nginx that speaks with the pods: what proxy_* says is heard by its own alone. */
export function passedBy(read: AnnotationReader): "proxy" | "grpc" | "fastcgi" {
  const protocol = backendProtocol.parse(read);
  return protocol === "FCGI" ? "fastcgi" : protocol === "GRPC" || protocol === "GRPCS" ? "grpc" : "proxy";
}
