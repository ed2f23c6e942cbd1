// ssl-ciphers, ssl-prefer-server-ciphers: cipher suites of one host. Checked, and told to have no effect: Node takes the suites from the
// listener, not from the certificate's context, so the ConfigMap's `ssl-ciphers` are everybody's, in the server's order.
// Upstream: internal/ingress/annotations/sslcipher.
import { annotationGroup, low } from "./annotation.ts";
import { BOOL, matching } from "./validators.ts";

export const sslCiphers = annotationGroup<undefined>({
  upstream: "SSLCipher",
  annotations: {
    "ssl-ciphers": low(matching(/^(?:[A-Za-z0-9!:+\-_]|@STRENGTH|@SECLEVEL=[0-5])*$/), "drop"),
    "ssl-prefer-server-ciphers": low(BOOL),
  },
  parse(read) {
    if (read.text("ssl-ciphers") !== undefined) read.problem("ssl-ciphers", "not modelled: ssl-ciphers of the ConfigMap are every host's");
    // True is what upstream does by itself.
    if (!read.flag("ssl-prefer-server-ciphers", true))
      read.problem("ssl-prefer-server-ciphers", "false is not modelled: the server's order of ciphers counts");
    return undefined;
  },
});
