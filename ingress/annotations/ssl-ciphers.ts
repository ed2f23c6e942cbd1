// ssl-ciphers, ssl-prefer-server-ciphers: cipher suites of one host, below TLS 1.3, and whose order of them counts.
// Upstream: internal/ingress/annotations/sslcipher. The first Ingress of a host that sets one decides.
import { annotationGroup, low } from "./annotation.ts";
import { BOOL, matching } from "./validators.ts";

export interface SslCiphers {
  /** OpenSSL's list; "": the ConfigMap's. */
  readonly ciphers: string;
  /** Undefined: the ConfigMap's order, which is the server's. */
  readonly preferServer: boolean | undefined;
}

export const sslCiphers = annotationGroup<SslCiphers>({
  upstream: "SSLCipher",
  annotations: {
    "ssl-ciphers": low(matching(/^(?:[A-Za-z0-9!:+\-_]|@STRENGTH|@SECLEVEL=[0-5])*$/), "drop"),
    "ssl-prefer-server-ciphers": low(BOOL),
  },
  parse: (read) => ({
    ciphers: read.text("ssl-ciphers") ?? "",
    preferServer: read.text("ssl-prefer-server-ciphers") === undefined ? undefined : read.flag("ssl-prefer-server-ciphers", true),
  }),
});
