// Annotations that upstream knows and nothing here acts on: checked as upstream checks them, then named by a Warning.
// Upstream: internal/ingress/annotations/{snippet,serversnippet,streamsnippet,authreq,modsecurity,opentelemetry,http2pushpreload}.
import { type AnnotationRule, critical, high, low, medium } from "./annotation.ts";
import { ANYTHING, BOOL, matching, VARIABLES } from "./validators.ts";

/** By upstream's group, then by name without the prefix. */
export const UNMODELLED: Readonly<Record<string, Readonly<Record<string, AnnotationRule>>>> = {
  ConfigurationSnippet: { "configuration-snippet": critical(ANYTHING) },
  ServerSnippet: { "server-snippet": critical(ANYTHING) },
  StreamSnippet: { "stream-snippet": critical(ANYTHING) },
  ExternalAuth: { "auth-snippet": critical(ANYTHING) },
  ModSecurity: {
    "enable-modsecurity": low(BOOL),
    "enable-owasp-core-rules": low(BOOL),
    "modsecurity-transaction-id": high(VARIABLES),
    "modsecurity-snippet": critical(ANYTHING),
  },
  Opentelemetry: {
    "enable-opentelemetry": low(BOOL),
    "opentelemetry-trust-incoming-span": low(BOOL),
    "opentelemetry-operation-name": medium(matching(/^[A-Za-z0-9_-]*$/), "drop"),
  },
  HTTP2PushPreload: { "http2-push-preload": low(BOOL, "drop") },
};

/** Annotations that upstream looks at only where another one is true. */
export const LOOKED_AT_WITH: Readonly<Record<string, string>> = { "opentelemetry-operation-name": "enable-opentelemetry" };
