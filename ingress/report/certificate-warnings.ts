// What upstream's controller says in its log of the certificate that a host's tls section names.
// Upstream: controller.go createServers; store/backend_ssl.go; internal/net/ssl CreateSSLCert; x509.HostnameError of Go.
import { X509Certificate } from "node:crypto";
import { namesIn, named, pairOf, verifies } from "../tls/certificates.ts";
import type { ServerWarning } from "./server-warnings.ts";

type SecretData = Readonly<Record<string, Buffer>>;

const SOON_MS = 240 * 3_600_000;

export function certificateWarnings(host: string, secret: string, data: SecretData | undefined, nowMs: number): readonly ServerWarning[] {
  const wrong = data && wrongWith(secret, data);
  const missing = `Error getting SSL certificate "${secret}": local SSL certificate ${secret} was not found. Using default certificate`;
  if (!data || wrong !== undefined)
    return [
      ...(wrong === undefined ? [] : [["backend_ssl.go:47", `Error obtaining X.509 certificate: ${wrong}`] as const]),
      ["controller.go:1468", missing],
    ];
  const pair = pairOf(data);
  if (!pair)
    return [
      ["controller.go:1474", `SSL certificate "${secret}" does not contain a valid SSL certificate for server "${host}"`],
      ["controller.go:1475", "Using default certificate"],
    ];
  return [...hostWarnings(host, secret, pair.cert), ...expiryWarning(host, pair.cert, nowMs)];
}

/** Undefined when it holds a certificate and its key, or an authority. */
function wrongWith(name: string, data: SecretData): string | undefined {
  const [cert, key] = [data["tls.crt"], data["tls.key"]];
  if (cert && key) {
    if (cert.length === 0) return `key 'tls.crt' missing from Secret "${name}"`;
    if (key.length === 0) return `key 'tls.key' missing from Secret "${name}"`;
    const wrong = wrongPair(cert.toString(), key.toString(), pairOf(data) !== undefined);
    return wrong === undefined ? undefined : `unexpected error creating SSL Cert: ${wrong}`;
  }
  if (data["ca.crt"] && data["ca.crt"].length > 0) return undefined;
  return `secret "${name}" contains no keypair or CA certificate`;
}

function wrongPair(cert: string, key: string, fits: boolean): string | undefined {
  const [, block] = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(`${cert}\n${key}`) ?? [];
  if (block === undefined) return "no valid PEM formatted block found";
  if (block !== "CERTIFICATE") return "no certificate PEM data found, make sure certificate content starts with 'BEGIN CERTIFICATE'";
  if (fits) return undefined;
  const why = key.includes("-----BEGIN ") ? "private key does not match public key" : "failed to find any PEM data in key input";
  return `certificate and private key does not have a matching public key: tls: ${why}`;
}

function hostWarnings(host: string, secret: string, cert: string): readonly ServerWarning[] {
  if (verifies(cert, host)) return [];
  const error = hostnameError(host, cert);
  const first: readonly ServerWarning[] = [
    ["controller.go:1482", `Unexpected error validating SSL certificate "${secret}" for server "${host}": ${error}`],
    ["controller.go:1483", "Validating certificate against DNS names. This will be deprecated in a future version"],
  ];
  if (named(cert, host)) return first;
  const without = `SSL certificate "${secret}" does not contain a Common Name or Subject Alternative Name for server "${host}": ${error}`;
  return [...first, ["controller.go:1488", without], ["controller.go:1489", "Using default certificate"]];
}

function hostnameError(host: string, cert: string): string {
  const { dnsNames } = namesIn(cert);
  if (dnsNames.length > 0) return `x509: certificate is valid for ${dnsNames.join(", ")}, not ${host}`;
  return named(cert, host)
    ? "x509: certificate relies on legacy Common Name field, use SANs instead"
    : `x509: certificate is not valid for any names, but wanted to match ${host}`;
}

function expiryWarning(host: string, cert: string, nowMs: number): readonly ServerWarning[] {
  const until = Date.parse(new X509Certificate(cert).validTo);
  if (until >= nowMs + SOON_MS) return [];
  const at = `${new Date(until).toISOString().slice(0, 19).replace("T", " ")} +0000 UTC`;
  return until < nowMs
    ? [["controller.go:1499", `SSL certificate for server "${host}" expired (${at})`]]
    : [["controller.go:1501", `SSL certificate for server "${host}" is about to expire (${at})`]];
}
