// What happens to an explained request before HTTP: the listener, PROXY protocol, ssl-passthrough, the certificate, who the client is.
import type { IncomingHttpHeaders } from "node:http";
import type { RequestFacts } from "./exchange.ts";
import { findServer } from "./match.ts";
import type { Notes } from "./notes.ts";
import { tlsRoute } from "./passthrough.ts";
import { chooseCertificate } from "./certificates.ts";
import { realIp } from "./real-ip.ts";
import type { RoutesFeed } from "./routes-feed.ts";
import type { StreamService } from "./stream-services.ts";

export interface ListenerQuestion {
  readonly scheme: "http" | "https";
  /** Name in the URL, which a client sends as SNI. */
  readonly serverName: string;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  readonly clientIp: string;
}

export type ListenerAnswer = Pick<RequestFacts, "peerIp" | "clientIp" | "serverPort" | "proxied">;

/** Undefined: the connection does not reach HTTP. */
export function explainListener(feed: RoutesFeed, question: ListenerQuestion, notes: Notes): ListenerAnswer | undefined {
  const { table } = feed;
  const { scheme, serverName, headers, clientIp: from } = question;
  const passing = scheme === "https" && table.flags.enableSslPassthrough;
  const proxyProtocol = table.config.flag("use-proxy-protocol", false);
  const port = scheme === "https" ? table.flags.httpsPort : table.flags.httpPort;
  if (proxyProtocol)
    notes.push(
      passing
        ? `use-proxy-protocol: a PROXY header may come first; one that names ${from} is assumed`
        : `use-proxy-protocol: a PROXY header must come first, else the connection is closed; one that names ${from} is assumed`,
    );
  if (scheme === "https" && !tlsNotes(feed, serverName, notes)) return undefined;
  if (scheme === "http") notes.push("80");
  const peerIp = passing ? "127.0.0.1" : from;
  const proxied = proxyProtocol || passing ? { sourceIp: from, sourcePort: 0, destinationIp: "", destinationPort: port } : undefined;
  const clientIp = realIp(headers, { peerIp, proxied }, table.config);
  const serverPort = passing ? table.flags.sslPassthroughProxyPort : port;
  clientNotes({ from, clientIp, passing, proxyProtocol }, headers, notes);
  return { peerIp, clientIp, serverPort, ...(proxied && { proxied }) };
}

/** False: TLS is not opened here. */
function tlsNotes(feed: RoutesFeed, serverName: string, notes: Notes): boolean {
  const { table, upstreams } = feed;
  const route = tlsRoute(table, upstreams, serverName);
  switch (route.type) {
    case "service": {
      const { owner, backend, address } = route;
      const service = `${backend.namespace}/${backend.service}`;
      notes.push(`443, SNI ${serverName}: ssl-passthrough of ${owner} sends the connection unopened to Service ${service}`);
      notes.push(
        `the controller connects to its ClusterIP ${address.ip}:${address.port}, and kube-proxy chooses the pod, whose certificate the client sees`,
      );
      const upstream = upstreams.find(backend);
      notes.push(upstream.type === "none" ? upstream.reason : `among ${upstream.peers.map(({ id }) => id).join(", ")}`);
      notes.push(`other paths and annotations of ${serverName} act on plain HTTP only`);
      return false;
    }
    case "closed":
      notes.push(`443, SNI ${serverName}: ssl-passthrough of ${route.owner}: ${route.why}, so the connection is closed`);
      return false;
    case "terminate": {
      const { passthrough } = findServer(table, serverName);
      if (passthrough) notes.push(`ssl-passthrough of ${passthrough.owner} does not act: ${route.why}`);
      notes.push(`443, certificate: ${chooseCertificate(table, (key) => feed.secret(key), serverName).why}`);
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
