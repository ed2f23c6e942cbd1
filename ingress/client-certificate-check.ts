// Whether a host's server lets a client pass: its certificate, before any location is looked for.
// Upstream: ssl_verify_client, error_page 495 496 and the `if` of auth-tls-match-cn in nginx.tmpl's server block.
import { type Answer, page, redirect } from "./answer.ts";
import { BoundedRegex } from "./bounded-regex.ts";
import type { RequestFacts, World } from "./exchange.ts";
import type { Server } from "./route-table.ts";

/** error_page with a path of the same server: a request for it, as if the client had asked. */
export interface InternalRedirect {
  readonly path: string;
  readonly reason: string;
}

/** The server's client certificate check, before any location is looked for. */
export function clientCertificateAnswer(facts: RequestFacts, server: Server, world: World): Answer | InternalRedirect | undefined {
  const asked = server.clientCertificates;
  if (!asked) return undefined;
  const { secret, error, verify, verifyDepth, errorPage, matchCn } = asked.settings;
  const data = world.secret(secret);
  if (error !== "" || !data)
    return page(403, `auth-tls-secret of ${asked.owner}: ${error === "" ? `Secret ${secret} does not exist` : error}`);
  const { certificate } = facts;
  const named = (): Answer | undefined =>
    matchCn === "" || matches(matchCn, certificate?.subject ?? "")
      ? undefined
      : {
          ...page(403, `auth-tls-match-cn ${matchCn} does not match ${certificate?.subject ?? "no certificate"}`),
          body: "client certificate unauthorized",
        };
  // Without ca.crt nobody is asked for a certificate; plain HTTP has none.
  if (facts.scheme !== "https" || verify === "off" || !data["ca.crt"]) return named();
  const refused = (status: 495 | 496, reason: string): Answer | InternalRedirect => {
    if (errorPage === "") return page(status, reason);
    // The server's `if` of match-cn runs again.
    if (errorPage.startsWith("/")) return named() ?? { path: errorPage, reason };
    return redirect(302, errorPage, `${reason}: auth-tls-error-page`);
  };
  if (!certificate) return verify === "on" ? refused(496, "auth-tls-verify-client: the client sent no certificate") : named();
  if (certificate.verify !== "SUCCESS" && verify !== "optional_no_ca") return refused(495, `auth-tls-verify-client: ${certificate.verify}`);
  if (certificate.intermediates > verifyDepth)
    return refused(
      495,
      `auth-tls-verify-depth ${verifyDepth}: ${certificate.intermediates} certificates between the client's and its authority`,
    );
  return named();
}

function matches(pattern: string, text: string): boolean {
  try {
    return new BoundedRegex(pattern).test(text);
  } catch {
    return false;
  }
}
