// Distinguished Encoding Rules of ASN.1: the handful of forms that an X.509 certificate is made of.
// Source: ITU-T X.690. Leaves out decoding and every type that certificates of this project do not use.

/** One tag-length-value element; `tag` is the whole identifier octet (0x30 for SEQUENCE). */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthOctets(body.length), body]);
}

export function sequence(...items: readonly Uint8Array[]): Buffer {
  return element(0x30, ...items);
}

export function set(...items: readonly Uint8Array[]): Buffer {
  return element(0x31, ...items);
}

/** A non-negative INTEGER from its big-endian magnitude; redundant leading zeros are dropped, a sign octet is added when needed. */
export function integer(magnitude: Uint8Array): Buffer {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const digits = magnitude.subarray(start);
  return (digits[0] ?? 0) < 0x80 && digits.length > 0 ? element(0x02, digits) : element(0x02, Buffer.of(0), digits);
}

export function boolean(value: boolean): Buffer {
  return element(0x01, Buffer.of(value ? 0xff : 0));
}

export function octetString(content: Uint8Array): Buffer {
  return element(0x04, content);
}

/** A BIT STRING; `unusedBits` are the padding bits at the end of the last octet. */
export function bitString(content: Uint8Array, unusedBits = 0): Buffer {
  return element(0x03, Buffer.of(unusedBits), content);
}

export function utf8String(text: string): Buffer {
  return element(0x0c, Buffer.from(text, "utf8"));
}

/** An OBJECT IDENTIFIER in dotted form, such as `2.5.4.3`. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** RFC 5280 §4.1.2.5: UTCTime until 2049, GeneralizedTime afterwards; both with whole seconds, in UTC. */
export function time(epochMs: number): Buffer {
  const digits = new Date(epochMs).toISOString().replace(/\.\d+|[-:T]/g, "");
  return digits < "2050" ? element(0x17, Buffer.from(digits.slice(2))) : element(0x18, Buffer.from(digits));
}

/** A context-specific element: constructed around whole elements, or primitive around bare content. */
export function context(number: number, form: "constructed" | "primitive", ...contents: readonly Uint8Array[]): Buffer {
  return element((form === "constructed" ? 0xa0 : 0x80) | number, ...contents);
}

/** RFC 7468 text of a DER document, such as label `CERTIFICATE`. */
export function pem(label: string, document: Uint8Array): string {
  const lines =
    Buffer.from(document)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

function lengthOctets(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Buffer.from([0x80 | octets.length, ...octets]);
}

function base128(value: number): number[] {
  const groups = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) groups.unshift((rest % 128) | 0x80);
  return groups;
}
