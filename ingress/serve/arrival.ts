// Where a request came from, as its socket shows it: the peer, what PROXY protocol told, and the client's certificate.
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { intermediates } from "../annotations/proxy-ssl.ts";
import type { ClientCertificate } from "../request/exchange.ts";
import { originOf } from "./origin.ts";
import type { Arrival } from "../request/request-facts.ts";
import { verifyResult } from "./verify-result.ts";

export function arrivalOf(socket: Duplex, scheme: "http" | "https", serverPort: number): Arrival {
  const { remoteAddress, remotePort } = socket as Partial<Socket>;
  const origin = originOf(socket);
  const peer = {
    scheme,
    serverPort,
    peerIp: origin?.peerIp ?? remoteAddress ?? "",
    peerPort: remotePort ?? 0,
    ...(origin && { proxied: origin.proxied }),
  };
  if (scheme === "http") return peer;
  const secured = socket as TLSSocket & { servername?: string | false };
  const sni = typeof secured.servername === "string" ? secured.servername : undefined;
  return { ...peer, sni, certificate: certificateOf(secured), tls: tlsOf(secured) };
}

const agreements = new WeakMap<object, Arrival["tls"]>();

/** What the handshake agreed on, read once per connection. */
function tlsOf(socket: TLSSocket): Arrival["tls"] {
  let known = agreements.get(socket);
  if (!known) agreements.set(socket, (known = { protocol: socket.getProtocol?.() ?? "", cipher: socket.getCipher?.()?.name ?? "" }));
  return known;
}

const certificates = new WeakMap<object, ClientCertificate | null>();

/** The client's certificate, read once per connection. */
function certificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const known = certificates.get(socket);
  if (known !== undefined) return known ?? undefined;
  const certificate = socket.getPeerX509Certificate?.();
  const name = (text: string): string => text.split("\n").reverse().join(",");
  const found = certificate
    ? {
        subject: name(certificate.subject),
        issuer: name(certificate.issuer),
        pem: certificate.toString(),
        fingerprint: certificate.fingerprint.replaceAll(":", "").toLowerCase(),
        serial: certificate.serialNumber,
        intermediates: intermediates(socket.getPeerCertificate(true)),
        ...verifyResult(socket.authorized ? undefined : String(socket.authorizationError)),
      }
    : null;
  certificates.set(socket, found);
  return found ?? undefined;
}
