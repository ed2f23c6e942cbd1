// The server name in a TLS ClientHello, read without opening TLS.
// Source: RFC 8446 §4.1.2 and §5.1, RFC 6066 §3. Upstream reads one segment only; here a hello may come in pieces, as large ones do.

export type ClientHello =
  /** What is there so far is the beginning of one. */
  | { readonly type: "more" }
  /** `serverName` as sent; undefined: it has none. */
  | { readonly type: "hello"; readonly serverName: string | undefined }
  /** No ClientHello, or a malformed or oversized one. */
  | { readonly type: "other" };

/** The bytes looked at: upstream's buffer. */
export const HELLO_LIMIT = 16_384;

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;

const MORE: ClientHello = { type: "more" };
const OTHER: ClientHello = { type: "other" };

/** Reads the beginning of a connection. Never throws. */
export function parseClientHello(bytes: Uint8Array): ClientHello {
  const handshake = handshakeOf(bytes);
  if (typeof handshake === "string") return handshake === "more" && bytes.length < HELLO_LIMIT ? MORE : OTHER;
  const reader = new Reader(handshake);
  // legacy_version, random.
  reader.skip(34);
  reader.vector(1); // legacy_session_id
  reader.vector(2); // cipher_suites
  reader.vector(1); // legacy_compression_methods
  if (reader.failed) return OTHER;
  if (reader.left === 0) return { type: "hello", serverName: undefined };
  const extensions = new Reader(reader.vector(2));
  if (reader.failed) return OTHER;
  while (extensions.left > 0) {
    const kind = extensions.number(2);
    const data = extensions.vector(2);
    if (extensions.failed) return OTHER;
    if (kind === SERVER_NAME) return serverNameOf(data);
  }
  return { type: "hello", serverName: undefined };
}

/** The body of the first handshake message, put together from its records. One pass: a client may send byte by byte. */
function handshakeOf(bytes: Uint8Array): Uint8Array | "more" | "other" {
  const message = new Uint8Array(bytes.length);
  let length = 0;
  for (let at = 0; ;) {
    if (length > 0 && message[0] !== CLIENT_HELLO) return "other";
    if (length >= 4) {
      const size = numberAt(message, 1, 3);
      if (size > HELLO_LIMIT) return "other";
      if (length >= 4 + size) return message.subarray(4, 4 + size);
    }
    if (at < bytes.length && bytes[at] !== HANDSHAKE) return "other";
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return "other";
    if (at + 5 > bytes.length) return "more";
    const recordBytes = numberAt(bytes, at + 3, 2);
    if (recordBytes === 0 || recordBytes > HELLO_LIMIT) return "other";
    const fragment = bytes.subarray(at + 5, at + 5 + recordBytes);
    message.set(fragment, length);
    length += fragment.length;
    at += 5 + recordBytes;
  }
}

/** RFC 6066: a list of names, of which host_name is the only type there is. */
function serverNameOf(data: Uint8Array): ClientHello {
  const reader = new Reader(data);
  const list = new Reader(reader.vector(2));
  while (list.left > 0) {
    const kind = list.number(1);
    const name = list.vector(2);
    if (list.failed) break;
    if (kind === HOST_NAME) return { type: "hello", serverName: Buffer.from(name).toString("latin1") };
  }
  return reader.failed || list.failed ? OTHER : { type: "hello", serverName: undefined };
}

/** Big-endian numbers and length-prefixed vectors; past the end it fails and gives zeros. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  failed = false;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  get left(): number {
    return this.failed ? 0 : this.#bytes.length - this.#at;
  }
  skip(count: number): Uint8Array {
    if (this.left < count) this.failed = true;
    if (this.failed) return new Uint8Array(0);
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
  number(size: number): number {
    return numberAt(this.skip(size), 0, size);
  }
  /** Its length in `size` bytes, then that many bytes. */
  vector(size: number): Uint8Array {
    return this.skip(this.number(size));
  }
}

function numberAt(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
