// The cluster's own authority, the API server's certificate and the administrator's: made at start, kept in memory.
// Upstream: kubeadm's certs phase (the administrator is in group system:masters).
import { realClock } from "../model/clock.ts";
import { createCa, issueCertificate, type KeyPair } from "../model/x509.ts";

export interface ClusterCertificates {
  /** PEM. */
  readonly ca: string;
  readonly server: KeyPair;
  readonly admin: KeyPair;
}

const DAYS = 365;

/** `addresses`: every IP at which the API can be reached. */
export function createCertificates(addresses: readonly string[]): ClusterCertificates {
  // Clients judge them by the machine's time, whatever time it is in the cluster.
  const ca = createCa("kubernetes", realClock.now());
  const server = issueCertificate(ca, {
    commonName: "kube-apiserver",
    dnsNames: ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"],
    ipAddresses: addresses,
    usages: ["server"],
    days: DAYS,
  });
  const admin = issueCertificate(ca, {
    commonName: "kubernetes-admin",
    organizations: ["system:masters"],
    usages: ["client"],
    days: DAYS,
  });
  return { ca: ca.cert, server, admin };
}
