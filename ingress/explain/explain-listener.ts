// What happens to an explained request before HTTP: the listener, PROXY protocol, ssl-passthrough, the certificate, who the client is.
import type { IncomingHttpHeaders } from "node:http";
import { ipFamily } from "../../model/ip.ts";
import { asksForCertificate } from "../request/client-certificate-check.ts";
import { findServer } from "../request/match.ts";
import type { Notes } from "./notes.ts";
import { tlsRoute } from "../routes/passthrough.ts";
import { chooseCertificate, rejectsHandshake, type SecretOf } from "../tls/certificates.ts";
import { realIp } from "../request/real-ip.ts";
import type { Arrival } from "../request/request-facts.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";
import type { StreamService } from "../routes/stream-services.ts";

export interface ListenerQuestion {
  readonly scheme: "http" | "https";
  /** Host in the URL, which a client sends as SNI where it is a name. */
  readonly urlHost: string;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  readonly clientIp: string;
}

/** Undefined: the connection does not reach HTTP. */
export function explainListener(feed: RoutesFeed, question: ListenerQuestion, notes: Notes): Arrival | undefined {
  const { table } = feed;
  const { scheme, urlHost, headers, clientIp: from } = question;
  const sni = scheme === "http" || ipFamily(urlHost.replace(/^\[|\]$/g, "")) ? undefined : urlHost;
  const passing = scheme === "https" && table.flags.enableSslPassthrough;
  const proxyProtocol = table.config.flag("use-proxy-protocol", false);
  const port = scheme === "https" ? table.flags.httpsPort : table.flags.httpPort;
  if (proxyProtocol)
    notes.push(
      passing
        ? `use-proxy-protocol: a PROXY header may come first; one that names ${from} is assumed`
        : `use-proxy-protocol: a PROXY header must come first, else the connection is closed; one that names ${from} is assumed`,
    );
  if (scheme === "https" && !tlsNotes(feed, sni, notes)) return undefined;
  if (scheme === "http") notes.push(`port ${port}`);
  const peerIp = passing ? "127.0.0.1" : from;
  const proxied = proxyProtocol || passing ? { sourceIp: from, sourcePort: 0, destinationIp: "", destinationPort: port } : undefined;
  const clientIp = realIp(headers, { peerIp, proxied }, table.config);
  clientNotes({ from, clientIp, passing, proxyProtocol }, headers, notes);
  return { scheme, peerIp, peerPort: 0, serverPort: passing ? table.flags.sslPassthroughProxyPort : port, proxied, sni };
}

/** False: TLS is not opened here. */
function tlsNotes(feed: RoutesFeed, sni: string | undefined, notes: Notes): boolean {
  const { table, upstreams } = feed;
  const route = tlsRoute(table, upstreams, sni);
  const named = `port ${table.flags.httpsPort}, ${sni === undefined ? "no SNI" : `SNI ${sni}`}`;
  switch (route.type) {
    case "service": {
      const { owner, backend, address } = route;
      const service = `${backend.namespace}/${backend.service}`;
      notes.push(`${named}: ssl-passthrough of ${owner} sends the connection unopened to Service ${service}`);
      notes.push(
        `the controller connects to its ClusterIP ${address.ip}:${address.port}, and kube-proxy chooses the pod, whose certificate the client sees`,
      );
      const upstream = upstreams.find(backend);
      notes.push(upstream.type === "none" ? upstream.reason : `among ${upstream.peers.map(({ id }) => id).join(", ")}`);
      notes.push(`other paths and annotations of ${sni} act on plain HTTP only`);
      return false;
    }
    case "closed":
      notes.push(`${named}: ssl-passthrough of ${route.owner}: ${route.why}, so the connection is closed`);
      return false;
    case "terminate": {
      const server = findServer(table, sni?.toLowerCase() ?? "");
      const secretOf: SecretOf = (key) => feed.secret(key);
      if (server.passthrough) notes.push(`ssl-passthrough of ${server.passthrough.owner} does not act: ${route.why}`);
      if (rejectsHandshake(table, sni)) {
        notes.push(`${named}: no Ingress that counts names it, and ssl-reject-handshake is true: the client gets a TLS alert`);
        return false;
      }
      notes.push(`${named}, certificate: ${chooseCertificate(table, secretOf, sni).why}`);
      if (asksForCertificate(server, secretOf))
        notes.push("auth-tls-secret: the client is asked for a certificate; it is assumed to have none");
      return true;
    }
  }
}

interface ClientFacts {
  readonly from: string;
  readonly clientIp: string;
  readonly passing: boolean;
  readonly proxyProtocol: boolean;
}

function clientNotes({ from, clientIp, passing, proxyProtocol }: ClientFacts, headers: IncomingHttpHeaders, notes: Notes): void {
  const sent = headers["x-forwarded-for"] !== undefined;
  if (passing && !proxyProtocol && clientIp === "127.0.0.1")
    notes.push(
      "client address 127.0.0.1: with --enable-ssl-passthrough TLS reaches nginx through the controller, and use-proxy-protocol is off",
    );
  else notes.push(`client address ${clientIp}${clientIp === from ? "" : `, taken from X-Forwarded-For of ${from}`}`);
  if (clientIp === from && sent) notes.push("X-Forwarded-For is not trusted: use-forwarded-headers is false in the ConfigMap");
}

/** Where a port of tcp-services or udp-services leads. */
export function explainStream({ protocol, port, backend, decode, encode, peers }: StreamService): readonly string[] {
  return [
    `${protocol} port ${port} of the controller goes to ${backend}, as the ${protocol.toLowerCase()}-services ConfigMap says`,
    ...(decode ? ["a PROXY header must come first; without one the connection is closed"] : []),
    ...(encode ? ["a PROXY header is sent to the pod first"] : []),
    `each ${protocol === "TCP" ? "connection" : "session"} in turn among ${peers.map(({ id }) => id).join(", ")}`,
  ];
}
