// How TLS to a pod is made: options of node:tls, by whose identity connections are kept.
import type { PeerCertificate } from "node:tls";

export interface PeerTls {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly ciphers?: string;
  readonly minVersion?: "TLSv1.2" | "TLSv1.3";
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3";
  readonly rejectUnauthorized: boolean;
  /** SNI; "" sends none, undefined the name of Host. */
  readonly servername: string | undefined;
  checkServerIdentity?(host: string, certificate: PeerCertificate): Error | undefined;
}

/** nginx's default: any certificate, no SNI. */
export const UNVERIFIED: PeerTls = { rejectUnauthorized: false, servername: "" };
