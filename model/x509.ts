// Certificates: a cluster's own authority, the server and client certificates it signs, and self-signed ones. EC P-256 with SHA-256.
// Upstream: what kubeadm and ingress-nginx make with Go's crypto/x509 (RFC 5280). Leaves out revocation, requests and other key types.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import ipaddr from "ipaddr.js";
import { bitString, boolean, context, integer, objectIdentifier, octetString, pem, sequence, set, time, utf8String } from "./der.ts";

/** A private key (PKCS #8) and its certificate, both PEM: what `https.createServer` and a kubeconfig take. */
export interface KeyPair {
  readonly key: string;
  readonly cert: string;
}

/** An authority is plain data: it can be kept as it is and used again. */
export interface CertificateAuthority extends KeyPair {
  readonly commonName: string;
  /** Epoch milliseconds at which it was made; the default start of what it issues. */
  readonly now: number;
}

export interface CertificateRequest {
  /** For a client certificate: the Kubernetes user name. */
  readonly commonName: string;
  /** For a client certificate: its groups. */
  readonly organizations?: readonly string[];
  /** ASCII names; `*.example` is a wildcard. */
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly usages: readonly ("server" | "client")[];
  readonly days: number;
  /** Epoch milliseconds. */
  readonly now?: number;
}

const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
/** A peer whose clock is a little behind must accept a fresh certificate. */
const BACKDATE_MS = 300_000;

const OID = {
  commonName: "2.5.4.3",
  organization: "2.5.4.10",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  server: "1.3.6.1.5.5.7.3.1",
  client: "1.3.6.1.5.5.7.3.2",
} as const;

/** KeyUsage octets with their unused bits: digitalSignature alone, and the same with keyCertSign and cRLSign. */
const LEAF_USAGE = bitString(Buffer.of(0x80), 7);
const CA_USAGE = bitString(Buffer.of(0x86), 1);

/** A new authority, valid for ten years from `now` (epoch milliseconds). */
export function createCa(commonName: string, now: number): CertificateAuthority {
  const keys = generateKeys();
  const name = distinguishedName(commonName, []);
  const cert = certificate({
    issuer: name,
    subject: name,
    signingKey: keys.privateKey,
    keys,
    now,
    days: CA_DAYS,
    extensions: [
      extension(OID.basicConstraints, sequence(boolean(true)), true),
      extension(OID.keyUsage, CA_USAGE, true),
      extension(OID.subjectKeyIdentifier, octetString(keyIdentifier(keys.publicKey))),
    ],
  });
  return { commonName, now, key: privatePem(keys), cert };
}

/** A certificate signed by `ca`. Throws a RangeError for an address or DNS name that cannot stand in one. */
export function issueCertificate(ca: CertificateAuthority, request: CertificateRequest): KeyPair {
  const signingKey = createPrivateKey(ca.key);
  const keys = generateKeys();
  const authorityKey = context(0, "primitive", keyIdentifier(createPublicKey(signingKey)));
  const cert = certificate({
    issuer: distinguishedName(ca.commonName, []),
    subject: distinguishedName(request.commonName, request.organizations ?? []),
    signingKey,
    keys,
    now: request.now ?? ca.now,
    days: request.days,
    extensions: [...leafExtensions(request), extension(OID.authorityKeyIdentifier, sequence(authorityKey))],
  });
  return { key: privatePem(keys), cert };
}

/** A certificate signed with its own key, as ingress-nginx serves where no Secret fits. Throws as issueCertificate does. */
export function selfSignedCertificate(request: CertificateRequest & { readonly now: number }): KeyPair {
  const keys = generateKeys();
  const name = distinguishedName(request.commonName, request.organizations ?? []);
  const { now, days } = request;
  const cert = certificate({
    issuer: name,
    subject: name,
    signingKey: keys.privateKey,
    keys,
    now,
    days,
    extensions: leafExtensions(request),
  });
  return { key: privatePem(keys), cert };
}

interface Keys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

interface Contents {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly signingKey: KeyObject;
  readonly keys: Keys;
  readonly now: number;
  readonly days: number;
  readonly extensions: readonly Buffer[];
}

function certificate(contents: Contents): string {
  const algorithm = sequence(objectIdentifier(OID.ecdsaWithSha256));
  const version3 = context(0, "constructed", integer(Buffer.of(2)));
  const serial = integer(Buffer.concat([Buffer.of(1), randomBytes(15)]));
  const validity = sequence(time(contents.now - BACKDATE_MS), time(contents.now + contents.days * DAY_MS));
  const publicKey = contents.keys.publicKey.export({ type: "spki", format: "der" });
  const extensions = context(3, "constructed", sequence(...contents.extensions));
  const body = sequence(version3, serial, algorithm, contents.issuer, validity, contents.subject, publicKey, extensions);
  return pem("CERTIFICATE", sequence(body, algorithm, bitString(sign("sha256", body, contents.signingKey))));
}

function leafExtensions(request: CertificateRequest): readonly Buffer[] {
  const names = [...(request.dnsNames ?? []).map(dnsName), ...(request.ipAddresses ?? []).map(ipAddress)];
  return [
    extension(OID.basicConstraints, sequence(), true),
    extension(OID.keyUsage, LEAF_USAGE, true),
    extension(OID.extendedKeyUsage, sequence(...request.usages.map((usage) => objectIdentifier(OID[usage])))),
    ...(names.length === 0 ? [] : [extension(OID.subjectAltName, sequence(...names))]),
  ];
}

function extension(oid: string, value: Buffer, critical = false): Buffer {
  return sequence(objectIdentifier(oid), ...(critical ? [boolean(true)] : []), octetString(value));
}

function distinguishedName(commonName: string, organizations: readonly string[]): Buffer {
  const attribute = (oid: string, text: string): Buffer => set(sequence(objectIdentifier(oid), utf8String(text)));
  return sequence(...organizations.map((name) => attribute(OID.organization, name)), attribute(OID.commonName, commonName));
}

function dnsName(name: string): Buffer {
  if (!/^[\x21-\x7e]+$/.test(name)) throw new RangeError(`DNS name ${JSON.stringify(name)} is not ASCII`);
  return context(2, "primitive", Buffer.from(name, "ascii"));
}

function ipAddress(address: string): Buffer {
  if (!ipaddr.IPv4.isValidFourPartDecimal(address) && !ipaddr.IPv6.isValid(address))
    throw new RangeError(`${JSON.stringify(address)} is not an IP address`);
  return context(7, "primitive", Buffer.from(ipaddr.parse(address).toByteArray()));
}

/** RFC 5280 §4.2.1.2 (1): SHA-1 of the public key's bits, which end the SPKI structure (an uncompressed P-256 point: 65 octets). */
function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash("sha1")
    .update(publicKey.export({ type: "spki", format: "der" }).subarray(-65))
    .digest();
}

function generateKeys(): Keys {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function privatePem(keys: Keys): string {
  return keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}
