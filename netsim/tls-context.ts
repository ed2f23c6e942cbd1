// TLS contexts for servers that choose a certificate by SNI: their programs bind no sockets, and take the context from here.
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";

export type { SecureContext };

/** A context of PEM texts. Throws when key and certificate do not parse or do not belong together. */
export function createTlsContext(options: SecureContextOptions): SecureContext {
  return createSecureContext(options);
}
