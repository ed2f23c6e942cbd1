// How long a string is in HPACK: in Huffman's code where that is shorter, as clients send it.
// RFC 7541 §5.2 and appendix B.

/** Bits of each printable ASCII character; others are rare, and longer than any of these. */
const BITS = new Map(
  [
    [5, "012aceiost"],
    [6, " %-./3456789=A_bdfghlmnpru"],
    [7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"],
    [8, "&*,;XZ"],
    [10, '!"()?'],
    [11, "'+|"],
    [12, "#>"],
    [13, "$@[]~"],
    [14, "^}"],
    [15, "<`{"],
    [19, "\\"],
  ].flatMap(([bits, chars]) => [...String(chars)].map((char): [string, number] => [char, Number(bits)])),
);
const OTHER_BITS = 26;

/** Bytes of it, without the length that stands before. */
export function hpackLength(text: string): number {
  let bits = 0;
  for (const char of text) bits += BITS.get(char) ?? OTHER_BITS;
  return Math.min(text.length, Math.ceil(bits / 8));
}
