// auth-tls-*: client certificates for the host's server. No or bad certificate: 400; the wrong name: 403.
// Upstream: internal/ingress/annotations/authtls; nginx.tmpl server block. Server-level: the host's first Ingress with it decides.
import { annotationGroup } from "./annotation.ts";

export interface ClientCertificateSettings {
  /** `namespace/name`; "" when not asked for. */
  readonly secret: string;
  readonly verify: "on" | "off" | "optional" | "optional_no_ca";
  readonly errorPage: string;
  readonly passToUpstream: boolean;
  readonly matchCn: string;
}

export const clientCertificate = annotationGroup<ClientCertificateSettings>({
  name: "clientCertificate",
  annotations: [
    "auth-tls-secret",
    "auth-tls-verify-client",
    "auth-tls-verify-depth",
    "auth-tls-error-page",
    "auth-tls-pass-certificate-to-upstream",
    "auth-tls-match-cn",
  ],
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
