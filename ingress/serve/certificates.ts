// Certificates by SNI from Secrets, else the default one, else the controller's fake one.
// Upstream: lua/certificate.lua, controller.go createServers, internal/net/ssl.
import { X509Certificate } from "node:crypto";
import type { SecureContextOptions } from "node:tls";
import { type KeyPair, selfSignedCertificate } from "../../model/x509.ts";
import { createTlsContext, type SecureContext } from "../../netsim/index.ts";
import { askedCertificate } from "../client-certificates.ts";
import { certificateFor, findServer } from "../match.ts";
import type { CertificateRef, RouteTable, Server } from "../route-table.ts";

export const FAKE_NAME = "Kubernetes Ingress Controller Fake Certificate";

export type SecretOf = (key: string) => Readonly<Record<string, Buffer>> | undefined;

export interface ChosenCertificate {
  /** `namespace/name` of the Secret; undefined: the fake certificate. */
  readonly secret: string | undefined;
  readonly why: string;
}

/** The certificate that upstream makes when no Secret fits. */
export function fakeCertificate(now: number): KeyPair {
  return selfSignedCertificate({
    commonName: FAKE_NAME,
    organizations: ["Acme Co"],
    dnsNames: ["ingress.local"],
    usages: ["server"],
    days: 365,
    now,
  });
}

/** The name in a ClientHello, as certificates are looked up. */
const nameOf = (sni: string): string => sni.toLowerCase().replace(/\.$/, "");

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

/** TLS contexts, kept while their Secret's bytes stay the same. */
export class CertificateContexts {
  readonly #fake: KeyPair;
  readonly #kept = new Map<string, { readonly cert: string; readonly ca: string; readonly context: SecureContext }>();

  constructor(now: number) {
    this.#fake = fakeCertificate(now);
  }
  get fake(): KeyPair {
    return this.#fake;
  }
  /** What the listener itself needs: the certificate of clients without SNI, protocols and cipher suites. */
  defaults(table: RouteTable, secretOf: SecretOf): SecureContextOptions {
    if (rejects(table)) return protocolOptions(table);
    const { secret } = chooseCertificate(table, secretOf, undefined);
    const { key, cert } = (secret !== undefined && pairOf(secretOf(secret))) || this.#fake;
    const ca = authorityOf(table.fallback, secretOf);
    return { key, cert, ...(ca === "" ? {} : { ca }), ...protocolOptions(table) };
  }
  context(table: RouteTable, secretOf: SecretOf, sni: string | undefined): SecureContext {
    if (sni !== undefined && rejects(table) && findServer(table, nameOf(sni)) === table.fallback) return this.#none(table);
    const { secret } = chooseCertificate(table, secretOf, sni);
    const pair = (secret !== undefined && pairOf(secretOf(secret))) || this.#fake;
    const server = sni === undefined ? undefined : findServer(table, nameOf(sni));
    const ca = server ? authorityOf(server, secretOf) : "";
    const key = `${secret ?? ""} ${server && ca !== "" ? server.host : ""} ${table.config.text("ssl-protocols")} ${table.config.text("ssl-ciphers")} ${table.config.text("ssl-ecdh-curve")} ${JSON.stringify(server?.ciphers ?? {})}`;
    const kept = this.#kept.get(key);
    if (kept && kept.cert === pair.cert && kept.ca === ca) return kept.context;
    const common = { key: pair.key, cert: pair.cert, ...(ca === "" ? {} : { ca }) };
    const context = firstUsable(protocolOptions(table, server?.ciphers), protocolOptions(table), {}).with(common);
    this.#kept.set(key, { cert: pair.cert, ca, context });
    return context;
  }
  /** Without a certificate no handshake ends well. */
  #none(table: RouteTable): SecureContext {
    return firstUsable(protocolOptions(table), {}).with({});
  }
}

/** Whom clients' certificates must come from; "" when the server asks for none. */
function authorityOf(server: Server, secretOf: SecretOf): string {
  const asked = askedCertificate(server, secretOf);
  return asked && !("closed" in asked) && asked.settings.verify !== "off" ? (asked.ca?.toString() ?? "") : "";
}

/**
 * Cipher suites and curves that OpenSSL does not know leave what was before: the ConfigMap's, else Node's. nginx does not take a
 * configuration with them, and goes on with the one it has.
 */
function firstUsable(...choices: readonly SecureContextOptions[]): { with(common: SecureContextOptions): SecureContext } {
  return {
    with(common) {
      for (const choice of choices.slice(0, -1)) {
        try {
          return createTlsContext({ ...common, ...choice });
        } catch {
          // The next.
        }
      }
      return createTlsContext({ ...common, ...choices.at(-1) });
    },
  };
}

/** ssl-reject-handshake: names that no Ingress has, and clients without SNI, get an alert. */
const rejects = ({ config }: RouteTable): boolean => config.flag("ssl-reject-handshake", false);

/** What ssl_ciphers does not speak of; Node would leave TLS 1.3 out. */
const TLS13 = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

function protocolOptions({ config }: RouteTable, own?: Server["ciphers"]): SecureContextOptions {
  const protocols = config.text("ssl-protocols", "TLSv1.2 TLSv1.3");
  const given = own?.ciphers ?? "";
  const ciphers = given === "" ? config.text("ssl-ciphers") : given;
  const curve = config.text("ssl-ecdh-curve", "auto");
  return {
    ...(curve === "auto" ? {} : { ecdhCurve: curve }),
    ...(ciphers === "" ? {} : { ciphers: `${TLS13}:${ciphers}` }),
    honorCipherOrder: own?.preferServer ?? true,
    minVersion: protocols.includes("TLSv1.2") ? "TLSv1.2" : "TLSv1.3",
    maxVersion: protocols.includes("TLSv1.3") ? "TLSv1.3" : "TLSv1.2",
  };
}

const usable = new WeakMap<object, KeyPair | null>();

/** Key and certificate of a Secret, when they parse and belong together. */
function pairOf(data: Readonly<Record<string, Buffer>> | undefined): KeyPair | undefined {
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
function namesIn(pem: string): CertificateNames {
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
function verifies(cert: string, host: string): boolean {
  if (host.startsWith("*.")) return namesIn(cert).dnsNames.includes(host);
  return new X509Certificate(cert).checkHost(host, { subject: "never", partialWildcards: false }) !== undefined;
}

/** verifyHostname of controller/certificate.go: label by label, the common name where there are no others. */
function named(cert: string, host: string): boolean {
  const { commonName, dnsNames } = namesIn(cert);
  const labels = host.replace(/\.$/, "").split(".");
  return (dnsNames.length > 0 ? dnsNames : [commonName]).some((pattern) => {
    const parts = pattern.replace(/\.$/, "").split(".");
    return pattern !== "" && parts.length === labels.length && parts.every((part, at) => part === labels[at] || (at === 0 && part === "*"));
  });
}
