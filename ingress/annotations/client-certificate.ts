// auth-tls-*: client certificates for the host's server. No or bad certificate: 400; the wrong name: 403.
// Upstream: internal/ingress/annotations/authtls; nginx.tmpl server block. Server-level: the host's first Ingress with it decides.
import { annotationGroup, high, low, medium } from "./annotation.ts";
import { BASIC, BOOL, COMMON_NAME, INTEGER, matching } from "./validators.ts";

export interface ClientCertificateSettings {
  /** `namespace/name`; "" when not asked for. */
  readonly secret: string;
  readonly verify: "on" | "off" | "optional" | "optional_no_ca";
  readonly errorPage: string;
  readonly passToUpstream: boolean;
  readonly matchCn: string;
}

const ERROR_PAGE = /^(?:@[A-Za-z0-9_-]+|(?:(?:https?:\/\/)?[A-Za-z0-9\-.]+(?::\d+)?)?(?:\/[A-Za-z0-9\-_.]+)*\/?)$/;

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
    if (read.text("auth-tls-verify-depth") !== undefined)
      read.problem("auth-tls-verify-depth", "not modelled: a chain of any length is accepted");
    return {
      secret: read.text("auth-tls-secret") ?? "",
      verify: read.choice("auth-tls-verify-client", ["on", "off", "optional", "optional_no_ca"], "on"),
      errorPage: read.text("auth-tls-error-page") ?? "",
      passToUpstream: read.flag("auth-tls-pass-certificate-to-upstream", false),
      matchCn: read.text("auth-tls-match-cn") ?? "",
    };
  },
});
