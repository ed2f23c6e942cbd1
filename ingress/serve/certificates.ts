// Certificates by SNI from Secrets, else the default one, else the controller's fake one.
// Upstream: lua/certificate.lua, controller.go createServers, internal/net/ssl.
import { X509Certificate } from "node:crypto";
import type { SecureContextOptions } from "node:tls";
import { type KeyPair, selfSignedCertificate } from "../../model/x509.ts";
import { createTlsContext, type SecureContext } from "../../netsim/index.ts";
import { askedCertificate } from "../client-certificates.ts";
import { certificateFor, findServer } from "../match.ts";
import type { RouteTable, Server } from "../route-table.ts";

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

/** Which Secret serves a name, and why. */
export function chooseCertificate(table: RouteTable, secretOf: SecretOf, sni: string | undefined): ChosenCertificate {
  const entry = sni === undefined ? undefined : certificateFor(table, sni.toLowerCase());
  const fallback = (why: string): ChosenCertificate => {
    const { defaultSslCertificate } = table.flags;
    if (defaultSslCertificate !== "" && pairOf(secretOf(defaultSslCertificate)))
      return { secret: defaultSslCertificate, why: `${why}: the default certificate` };
    return { secret: undefined, why: `${why}: the fake certificate` };
  };
  if (sni === undefined) return fallback("the client sent no SNI");
  if (!entry) return fallback(`no tls section for ${sni}`);
  // No entry names the host: the first Secret that covers it.
  const covering = entry.candidates.find((secret) => {
    const pair = pairOf(secretOf(secret));
    return pair !== undefined && covers(pair.cert, sni);
  });
  if (covering !== undefined) return { secret: covering, why: `Secret ${covering} of ${entry.owner}, which covers ${sni}` };
  if (entry.secret === undefined) return fallback(`the tls section of ${entry.owner} names no Secret`);
  const data = secretOf(entry.secret);
  if (!data) return fallback(`Secret ${entry.secret} does not exist`);
  const pair = pairOf(data);
  if (!pair) return fallback(`Secret ${entry.secret} holds no usable tls.crt and tls.key`);
  if (!covers(pair.cert, sni)) return fallback(`the certificate of Secret ${entry.secret} does not cover ${sni}`);
  return { secret: entry.secret, why: `Secret ${entry.secret} of ${entry.owner}` };
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
    return { key, cert, ...protocolOptions(table) };
  }
  context(table: RouteTable, secretOf: SecretOf, sni: string | undefined): SecureContext {
    if (sni !== undefined && rejects(table) && findServer(table, sni.toLowerCase()) === table.fallback) return this.#none(table);
    const { secret } = chooseCertificate(table, secretOf, sni);
    const pair = (secret !== undefined && pairOf(secretOf(secret))) || this.#fake;
    const server = sni === undefined ? undefined : findServer(table, sni.toLowerCase());
    const found = server && askedCertificate(server, secretOf);
    const asked = found && !("closed" in found) ? found : undefined;
    const ca = asked && asked.settings.verify !== "off" ? (asked.ca?.toString() ?? "") : "";
    const key = `${secret ?? ""} ${asked?.settings.secret ?? ""} ${table.config.text("ssl-protocols")} ${table.config.text("ssl-ciphers")} ${table.config.text("ssl-ecdh-curve")} ${JSON.stringify(server?.ciphers ?? {})}`;
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

function covers(cert: string, host: string): boolean {
  const name = host.startsWith("*.") ? `a${host.slice(1)}` : host;
  const certificate = new X509Certificate(cert);
  return (
    certificate.checkHost(name, { subject: "default" }) !== undefined ||
    (certificate.subjectAltName === undefined && certificate.subject.includes(`CN=${host}`))
  );
}
