// Whether a host's server lets a client pass: its certificate, before any location is looked for.
// Upstream: ssl_verify_client, error_page 495 496 and the `if` of auth-tls-match-cn in nginx.tmpl's server block.
import { type Answer, page, redirect } from "./answer.ts";
import { BoundedRegex } from "../bounded-regex.ts";
import { askedCertificate } from "../tls/client-certificates.ts";
import { findServer } from "./match.ts";
import type { RequestFacts, World } from "./exchange.ts";
import type { RouteTable, Server } from "../routes/route-table.ts";

/** error_page with a path of the same server: a request for it, as if the client had asked. */
export interface InternalRedirect {
  readonly path: string;
  readonly reason: string;
}

/**
 * The request with its client's certificate only if the server of its SNI asks for certificates: nginx's listener is told by that name
 * whether to. Ours asks on every connection as soon as some server wants to know.
 */
export function withAskedCertificate(facts: RequestFacts, table: RouteTable, world: World): RequestFacts {
  const { certificate, ...rest } = facts;
  return certificate && !asksForCertificate(greeted(facts, table), world.secret.bind(world)) ? rest : facts;
}

/** The server that the handshake was with. */
const greeted = ({ sni }: RequestFacts, table: RouteTable): Server =>
  sni === undefined ? table.fallback : findServer(table, sni.toLowerCase());

/** Whether the handshake with a server asks the client for a certificate. */
export function asksForCertificate(server: Server, secretOf: World["secret"]): boolean {
  const asked = server.clientCertificates && askedCertificate(server, secretOf);
  return asked !== undefined && !("closed" in asked) && asked.ca !== undefined && asked.settings.verify !== "off";
}

/** A handshake by one name and a request for another, which asks for certificates: ngx_http_set_virtual_server. */
export function misdirected(facts: RequestFacts, server: Server, table: RouteTable, world: World): Answer | undefined {
  if (facts.scheme !== "https" || facts.sni === undefined || !server.clientCertificates) return undefined;
  const { sni } = facts;
  if (sni.toLowerCase() === facts.host || greeted(facts, table) === table.fallback || !asksForCertificate(server, world.secret.bind(world)))
    return undefined;
  return page(421, `the handshake was with ${sni}, and ${facts.host} asks for client certificates`);
}

/** The server's client certificate check, before any location is looked for. */
export function clientCertificateAnswer(facts: RequestFacts, server: Server, world: World): Answer | InternalRedirect | undefined {
  const asked = server.clientCertificates && askedCertificate(server, world.secret.bind(world));
  if (!asked) return undefined;
  if ("closed" in asked) return page(403, asked.closed);
  const { verify, verifyDepth, errorPage, matchCn } = asked.settings;
  const { certificate } = facts;
  const named = (): Answer | undefined =>
    matchCn === "" || matches(matchCn, certificate?.subject ?? "")
      ? undefined
      : {
          ...page(403, `auth-tls-match-cn ${matchCn} does not match ${certificate?.subject ?? "no certificate"}`),
          body: "client certificate unauthorized",
        };
  // Without ca.crt nobody is asked for a certificate; plain HTTP has none.
  if (facts.scheme !== "https" || verify === "off" || !asked.ca) return named();
  const refused = (status: 495 | 496, reason: string): Answer | InternalRedirect => {
    if (errorPage === "") return page(status, reason);
    // The server's `if` of match-cn runs again.
    // Without snippets the server has no location of the name.
    if (errorPage.startsWith("@")) return page(500, `${reason}: auth-tls-error-page ${errorPage} does not exist`);
    if (errorPage.startsWith("/")) return named() ?? { path: errorPage, reason };
    return redirect(302, errorPage, `${reason}: auth-tls-error-page`);
  };
  if (!certificate) return verify === "on" ? refused(496, "auth-tls-verify-client: the client sent no certificate") : named();
  const forgiven = verify === "optional_no_ca" && certificate.unknownAuthority;
  if (certificate.verify !== "SUCCESS" && !forgiven) return refused(495, `auth-tls-verify-client: ${certificate.verify}`);
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
