// What a host's server asks of its clients: auth-tls-* of its Ingresses, as their Secrets are now.
// Upstream: controller.go getBackendServers. One Ingress whose Secret cannot be used closes the server; of the others the first whose
// Secret has a ca.crt decides, else the last Ingress of the host.
import { X509Certificate } from "node:crypto";
import { createTlsContext } from "../../netsim/index.ts";
import type { ClientCertificateSettings } from "../annotations/client-certificate.ts";
import type { World } from "../request/exchange.ts";
import type { Owner, Server } from "../routes/route-table.ts";

export interface AskedCertificate {
  readonly owner: Owner;
  readonly settings: ClientCertificateSettings;
  /** Whom certificates must come from; undefined: nobody is asked for one. */
  readonly ca: Buffer | undefined;
  /** ca.crl: what its authorities have taken back; "" is nothing, without a look. */
  readonly crl: string;
}

/** Undefined: the server has no such annotation. */
export function askedCertificate(
  { clientCertificates }: Server,
  secretOf: World["secret"],
): AskedCertificate | { readonly closed: string } | undefined {
  let asked: AskedCertificate | undefined;
  for (const { owner, settings } of clientCertificates ?? []) {
    const { secret, error } = settings;
    const data = secret === "" ? undefined : usableSecret(secret, secretOf);
    const wrong = secret === "" ? "" : error !== "" ? error : data ? "" : `Secret ${secret} does not exist, or holds no certificate`;
    if (wrong !== "") return { closed: `auth-tls-secret of ${owner}: ${wrong}` };
    if (asked?.ca) continue;
    const ca = data?.["ca.crt"];
    asked = { owner, settings, ca: ca && ca.length > 0 ? ca : undefined, crl: data?.["ca.crl"]?.toString() ?? "" };
  }
  return asked?.settings.secret === "" ? undefined : asked;
}

type SecretData = Readonly<Record<string, Buffer>>;

const usable = new WeakMap<SecretData, boolean>();

/** A Secret with ca.crt, or tls.crt and tls.key, or all, that can be read, ca.crl too: upstream's store knows no others. */
export function usableSecret(key: string, secretOf: World["secret"]): SecretData | undefined {
  const data = secretOf(key);
  if (!data) return undefined;
  let known = usable.get(data);
  if (known === undefined) usable.set(data, (known = isUsable(data)));
  return known ? data : undefined;
}

function isUsable(data: SecretData): boolean {
  const [ca, cert, key, crl = ""] = ["ca.crt", "tls.crt", "tls.key", "ca.crl"].map((name) => data[name]?.toString() ?? "");
  const paired = cert !== "" && key !== "";
  if (!ca && !paired) return false;
  try {
    if (ca && new X509Certificate(ca).raw.length === 0) return false;
    if (ca && crl !== "" && !/^[^-]*-----BEGIN X509 CRL-----/.test(crl)) return false;
    createTlsContext({ ...(ca ? { ca, ...revocations(crl) } : {}), ...(paired ? { cert, key } : {}) });
    return true;
  } catch {
    return false;
  }
}

/** The lists of a ca.crl, as a TLS context takes them. */
export function revocations(crl: string): { readonly crl?: string[] } {
  return crl === "" ? {} : { crl: crl.match(/-----BEGIN X509 CRL-----[\s\S]*?-----END X509 CRL-----/g) ?? [crl] };
}
