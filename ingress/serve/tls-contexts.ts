// The TLS contexts of names: their certificate, whom clients' certificates must come from, protocols and cipher suites.
// Upstream: ssl_* of nginx.tmpl, lua/certificate.lua.
import type { SecureContextOptions } from "node:tls";
import { type KeyPair, selfSignedCertificate } from "../../model/x509.ts";
import { createTlsContext, type SecureContext } from "../../netsim/index.ts";
import { chooseCertificate, nameOf, pairOf, rejectsHandshake, type SecretOf } from "../tls/certificates.ts";
import { askedCertificate, revocations } from "../tls/client-certificates.ts";
import { findServer } from "../request/match.ts";
import type { RouteTable, Server } from "../routes/route-table.ts";

const FAKE_NAME = "Kubernetes Ingress Controller Fake Certificate";
/** The certificate that upstream makes when no Secret fits. */
function fakeCertificate(now: number): KeyPair {
  return selfSignedCertificate({
    commonName: FAKE_NAME,
    organizations: ["Acme Co"],
    dnsNames: ["ingress.local"],
    usages: ["server"],
    days: 365,
    now,
  });
}

/** TLS contexts, kept while their Secret's bytes stay the same. */
export class CertificateContexts {
  readonly #fake: KeyPair;
  readonly #kept = new Map<string, { readonly cert: string; readonly trust: Trust; readonly context: SecureContext }>();

  constructor(now: number) {
    this.#fake = fakeCertificate(now);
  }
  get fake(): KeyPair {
    return this.#fake;
  }
  /** What the listener itself needs: the certificate of clients without SNI, protocols and cipher suites. */
  defaults(table: RouteTable, secretOf: SecretOf): SecureContextOptions {
    if (rejectsHandshake(table, undefined)) return protocolOptions(table);
    const { secret } = chooseCertificate(table, secretOf, undefined);
    const { key, cert } = (secret !== undefined && pairOf(secretOf(secret))) || this.#fake;
    return { key, cert, ...optionsOf(trustOf(table.fallback, secretOf)), ...protocolOptions(table) };
  }
  context(table: RouteTable, secretOf: SecretOf, sni: string | undefined): SecureContext {
    if (sni !== undefined && rejectsHandshake(table, sni)) return this.#none(table);
    const { secret } = chooseCertificate(table, secretOf, sni);
    const pair = (secret !== undefined && pairOf(secretOf(secret))) || this.#fake;
    const server = sni === undefined ? undefined : findServer(table, nameOf(sni));
    const trust = server ? trustOf(server, secretOf) : NOBODY;
    const key = `${secret ?? ""} ${server && trust !== NOBODY ? server.host : ""} ${table.config.text("ssl-protocols")} ${table.config.text("ssl-ciphers")} ${table.config.text("ssl-ecdh-curve")} ${JSON.stringify(server?.ciphers ?? {})}`;
    const kept = this.#kept.get(key);
    if (kept && kept.cert === pair.cert && kept.trust.ca === trust.ca && kept.trust.crl === trust.crl) return kept.context;
    const common = { key: pair.key, cert: pair.cert, ...optionsOf(trust) };
    const context = firstUsable(protocolOptions(table, server?.ciphers), protocolOptions(table), {}).with(common);
    this.#kept.set(key, { cert: pair.cert, trust, context });
    return context;
  }
  /** Without a certificate no handshake ends well. */
  #none(table: RouteTable): SecureContext {
    return firstUsable(protocolOptions(table), {}).with({});
  }
}

/** Whom clients' certificates must come from, and which of them have been taken back. */
interface Trust {
  readonly ca: string;
  readonly crl: string;
}

const NOBODY: Trust = { ca: "", crl: "" };

function trustOf(server: Server, secretOf: SecretOf): Trust {
  const asked = askedCertificate(server, secretOf);
  if (!asked || "closed" in asked || asked.settings.verify === "off" || !asked.ca) return NOBODY;
  return { ca: asked.ca.toString(), crl: asked.crl };
}

const optionsOf = ({ ca, crl }: Trust): SecureContextOptions => (ca === "" ? {} : { ca, ...revocations(crl) });

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
