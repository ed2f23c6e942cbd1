// Which Secret's certificate a name gets: its host's, else the default one, else none, and the controller's fake one is shown.
// Upstream: lua/certificate.lua, controller.go createServers, internal/net/ssl.
import { X509Certificate } from "node:crypto";
import type { KeyPair } from "../../model/x509.ts";
import { createTlsContext } from "../../netsim/index.ts";
import { certificateFor, findServer } from "../request/match.ts";
import type { CertificateRef, RouteTable } from "../routes/route-table.ts";

export type SecretOf = (key: string) => Readonly<Record<string, Buffer>> | undefined;

export interface ChosenCertificate {
  /** `namespace/name` of the Secret; undefined: the fake certificate. */
  readonly secret: string | undefined;
  readonly why: string;
}

/** The name in a ClientHello, as certificates are looked up. */
export const nameOf = (sni: string): string => sni.toLowerCase().replace(/\.$/, "");

/** ssl-reject-handshake: names that no Ingress has, and clients without SNI, get an alert. */
export const rejectsHandshake = (table: RouteTable, sni: string | undefined): boolean =>
  table.config.flag("ssl-reject-handshake", false) && (sni === undefined || findServer(table, nameOf(sni)) === table.fallback);

/** Which Secret serves a name, and why. */
export function chooseCertificate(table: RouteTable, secretOf: SecretOf, sni: string | undefined): ChosenCertificate {
  if (sni === undefined) return defaultCertificate(table, secretOf, "the client sent no SNI");
  const entry = certificateFor(table, nameOf(sni), (found, name) => coversName(table, secretOf, found, name));
  return entry ? certificateOf(table, secretOf, entry) : defaultCertificate(table, secretOf, `no tls section for ${sni}`);
}

function defaultCertificate({ flags }: RouteTable, secretOf: SecretOf, why: string): ChosenCertificate {
  const { defaultSslCertificate } = flags;
  if (defaultSslCertificate !== "" && pairOf(secretOf(defaultSslCertificate)))
    return { secret: defaultSslCertificate, why: `${why}: the default certificate` };
  return { secret: undefined, why: `${why}: the fake certificate` };
}

/** The certificate of a host with a tls section: the named Secret, else the first that covers it. */
function certificateOf(table: RouteTable, secretOf: SecretOf, { host, owner, secret, candidates }: CertificateRef): ChosenCertificate {
  const fallback = (why: string): ChosenCertificate => defaultCertificate(table, secretOf, why);
  const covering = candidates.find((key) => {
    const pair = pairOf(secretOf(key));
    return pair !== undefined && verifies(pair.cert, host);
  });
  if (covering !== undefined) return { secret: covering, why: `Secret ${covering} of ${owner}, which covers ${host}` };
  if (secret === undefined) return fallback(`the tls section of ${owner} names no Secret`);
  const data = secretOf(secret);
  if (!data) return fallback(`Secret ${secret} does not exist`);
  const pair = pairOf(data);
  if (!pair) return fallback(`Secret ${secret} holds no usable tls.crt and tls.key`);
  if (!verifies(pair.cert, host) && !named(pair.cert, host)) return fallback(`the certificate of Secret ${secret} does not cover ${host}`);
  return { secret, why: `Secret ${secret} of ${owner}` };
}

/** Whether the certificate of a host is good for an alias of it: by common name or subject alternative name, ssl.IsValidHostname. */
export function coversName(table: RouteTable, secretOf: SecretOf, found: CertificateRef, name: string): boolean {
  const { secret } = certificateOf(table, secretOf, found);
  const pair = secret === undefined ? undefined : pairOf(secretOf(secret));
  if (!pair) return false;
  const wild = `*${name.slice(Math.max(0, name.indexOf(".")))}`;
  const { commonName, dnsNames } = namesIn(pair.cert);
  return [commonName, ...dnsNames].some((one) => one === name || one === wild);
}

const usable = new WeakMap<object, KeyPair | null>();

/** Key and certificate of a Secret, when they parse and belong together. */
export function pairOf(data: Readonly<Record<string, Buffer>> | undefined): KeyPair | undefined {
  if (!data) return undefined;
  const known = usable.get(data);
  if (known !== undefined) return known ?? undefined;
  const cert = data["tls.crt"]?.toString() ?? "";
  const key = data["tls.key"]?.toString() ?? "";
  let pair: KeyPair | null = null;
  try {
    createTlsContext({ key, cert });
    if (cert !== "" && key !== "") pair = { key, cert };
  } catch {
    // Not a pair: reported as unusable.
  }
  usable.set(data, pair);
  return pair ?? undefined;
}

interface CertificateNames {
  readonly commonName: string;
  readonly dnsNames: readonly string[];
}

const names = new Map<string, CertificateNames>();

/** In lower case, read once for each text. */
export function namesIn(pem: string): CertificateNames {
  let found = names.get(pem);
  if (!found) {
    const { subject, subjectAltName = "" } = new X509Certificate(pem);
    const dnsNames = [...subjectAltName.matchAll(/(?:^|, )DNS:([^,]+)/g)].map(([, name = ""]) => name.toLowerCase());
    found = { commonName: /^CN=(.*)$/m.exec(subject)?.[1]?.toLowerCase() ?? "", dnsNames };
    if (names.size > 10_000) names.clear();
    names.set(pem, found);
  }
  return found;
}

/** x509.Certificate.VerifyHostname: a wildcard host needs that very name. */
export function verifies(cert: string, host: string): boolean {
  if (host.startsWith("*.")) return namesIn(cert).dnsNames.includes(host);
  return new X509Certificate(cert).checkHost(host, { subject: "never", partialWildcards: false }) !== undefined;
}

/** verifyHostname of controller/certificate.go: label by label, the common name where there are no others. */
export function named(cert: string, host: string): boolean {
  const { commonName, dnsNames } = namesIn(cert);
  const labels = host.replace(/\.$/, "").split(".");
  return (dnsNames.length > 0 ? dnsNames : [commonName]).some((pattern) => {
    const parts = pattern.replace(/\.$/, "").split(".");
    return pattern !== "" && parts.length === labels.length && parts.every((part, at) => part === labels[at] || (at === 0 && part === "*"));
  });
}
