// auth-tls-*: client certificates for the host's server. No or bad certificate: 400; the wrong name: 403.
// Upstream: internal/ingress/annotations/authtls; nginx.tmpl server block. Server-level: client-certificates.ts says whose count.
import { type AnnotationReader, annotationGroup, high, low, medium } from "./annotation.ts";
import { BASIC, BOOL, COMMON_NAME, INTEGER, matching } from "./validators.ts";

export interface ClientCertificateSettings {
  /** `namespace/name`; "" when not asked for. */
  readonly secret: string;
  /** Why the host's server answers 403; "" when nothing is wrong with the name. */
  readonly error: string;
  /** Certificates allowed between the client's and its authority. */
  readonly verifyDepth: number;
  readonly verify: "on" | "off" | "optional" | "optional_no_ca";
  readonly errorPage: string;
  readonly passToUpstream: boolean;
  readonly matchCn: string;
}

const ERROR_PAGE = /^(?:@[A-Za-z0-9_-]+|(?:(?:https?:\/\/)?[A-Za-z0-9\-.]+(?::\d+)?)?(?:\/[A-Za-z0-9\-_.]+)*\/?)$/;

const OFF: ClientCertificateSettings = {
  secret: "",
  error: "",
  verifyDepth: 1,
  verify: "on",
  errorPage: "",
  passToUpstream: false,
  matchCn: "",
};

function wrongSecret(read: AnnotationReader, secret: string): string {
  const parts = secret.split("/");
  if (parts.length !== 2) return `invalid format (namespace/name) found in '${secret}'`;
  return parts[0] === "" || parts[0] === read.namespace || read.config.flag("allow-cross-namespace-resources", false)
    ? ""
    : "cross namespace secrets are not supported";
}

export const clientCertificate = annotationGroup<ClientCertificateSettings>({
  upstream: "CertificateAuth",
  annotations: {
    "auth-tls-secret": medium(BASIC, "drop"),
    "auth-tls-verify-client": medium(matching(/^(?:on|off|optional|optional_no_ca)$/)),
    "auth-tls-verify-depth": low(INTEGER),
    "auth-tls-error-page": high(matching(ERROR_PAGE), "drop"),
    "auth-tls-pass-certificate-to-upstream": low(BOOL, "drop"),
    "auth-tls-match-cn": high(COMMON_NAME, "drop"),
  },
  parse(read) {
    const secret = read.text("auth-tls-secret") ?? "";
    // Upstream reads the others only with a Secret.
    if (secret === "") return OFF;
    return {
      secret,
      error: wrongSecret(read, secret),
      verifyDepth: read.number("auth-tls-verify-depth", 1) || 1,
      verify: read.choice("auth-tls-verify-client", ["on", "off", "optional", "optional_no_ca"], "on"),
      errorPage: read.text("auth-tls-error-page") ?? "",
      passToUpstream: read.flag("auth-tls-pass-certificate-to-upstream", false),
      matchCn: read.text("auth-tls-match-cn") ?? "",
    };
  },
});
