// Names and ids that the cluster makes up: pod suffixes, UIDs, request ids. All come from nanoid over the seeded Random.
// Upstream: apimachinery pkg/util/rand (the alphabet has no vowels, so that no words appear).
import { customRandom } from "nanoid";
import type { Random } from "./random.ts";

const SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const HEX = "0123456789abcdef";

export interface Ids {
  /** Five characters after a generateName. */
  suffix(): string;
  /** `length` characters of the safe alphabet. */
  safe(length: number): string;
  /** A version-4 UUID. */
  uid(): string;
  /** `length` hexadecimal digits. */
  hex(length: number): string;
}

export function createIds(random: Random): Ids {
  const bytes = (count: number): Uint8Array => {
    const out = new Uint8Array(count);
    for (let i = 0; i < count; i++) out[i] = random.int(256);
    return out;
  };
  const suffix = customRandom(SAFE_ALPHABET, 5, bytes);
  const hex = customRandom(HEX, 32, bytes);
  return {
    suffix: () => suffix(),
    safe: (length) => customRandom(SAFE_ALPHABET, length, bytes)(),
    hex: (length) => hex(length),
    uid() {
      const d = hex(31);
      const variant = HEX[8 + random.int(4)] ?? "8";
      // Joined, not concatenated: one flat string instead of a rope of nine pieces that lives as long as the object.
      return [d.slice(0, 8), d.slice(8, 12), `4${d.slice(12, 15)}`, `${variant}${d.slice(15, 18)}`, d.slice(18, 30)].join("-");
    },
  };
}

/** Encodes text over the safe alphabet, as rand.SafeEncodeString does for pod-template-hash. */
export function safeEncode(text: string): string {
  return [...text].map((char) => SAFE_ALPHABET[char.charCodeAt(0) % SAFE_ALPHABET.length] ?? "b").join("");
}
