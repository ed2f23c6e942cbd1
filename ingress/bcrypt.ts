// bcrypt, as `htpasswd -B` makes it: Blowfish with an expensive key schedule. Its tables are the digits of pi, computed at first use.
// Provos and Mazières, "A Future-Adaptable Password Scheme" (1999).
import { nextTurn } from "../model/clock.ts";

const ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** Costs above this take longer than a client waits. */
const MOST_COST = 14;
const WORDS = 18 + 4 * 256;
const ROUNDS_PER_TURN = 32;

let pi: Uint32Array | undefined;

/** The full hash of `password` with the salt and cost of `stored`; "" when `stored` is malformed. */
export async function bcrypt(password: string, stored: string): Promise<string> {
  const found = /^(\$2[abxy]\$(\d\d)\$)([./A-Za-z0-9]{22})/.exec(stored);
  const cost = Number(found?.[2]);
  if (!found || cost < 4 || cost > MOST_COST) return "";
  const salt = decode(found[3] ?? "").subarray(0, 16);
  const key = Buffer.from(`${password}\0`).subarray(0, 72);
  const state = new Blowfish();
  state.expand(salt, key);
  const nothing = Buffer.alloc(16);
  for (let round = 0, rounds = 2 ** cost; round < rounds; round++) {
    state.expand(nothing, key);
    state.expand(nothing, salt);
    if (round % ROUNDS_PER_TURN === ROUNDS_PER_TURN - 1) await nextTurn();
  }
  const text = Buffer.from("OrpheanBeholderScryDoubt");
  const block = new Uint32Array(2);
  for (let at = 0; at < 24; at += 8) {
    block[0] = text.readUInt32BE(at);
    block[1] = text.readUInt32BE(at + 4);
    for (let i = 0; i < 64; i++) state.encrypt(block);
    text.writeUInt32BE(block[0] ?? 0, at);
    text.writeUInt32BE(block[1] ?? 0, at + 4);
  }
  return `${found[1] ?? ""}${found[3] ?? ""}${encode(text.subarray(0, 23))}`;
}

class Blowfish {
  readonly #p: Uint32Array;
  readonly #s: Uint32Array;
  constructor() {
    pi ??= digitsOfPi();
    this.#p = pi.slice(0, 18);
    this.#s = pi.slice(18);
  }
  encrypt(block: Uint32Array): void {
    const p = this.#p;
    const s = this.#s;
    let left = block[0] ?? 0;
    let right = block[1] ?? 0;
    for (let i = 0; i < 16; i++) {
      left ^= p[i] ?? 0;
      const sum =
        (((s[left >>> 24] ?? 0) + (s[256 + ((left >>> 16) & 255)] ?? 0)) ^ (s[512 + ((left >>> 8) & 255)] ?? 0)) +
        (s[768 + (left & 255)] ?? 0);
      right ^= sum;
      [left, right] = [right, left];
    }
    block[0] = right ^ (p[17] ?? 0);
    block[1] = left ^ (p[16] ?? 0);
  }
  expand(salt: Buffer, key: Buffer): void {
    for (let i = 0; i < 18; i++) this.#p[i] = (this.#p[i] ?? 0) ^ cyclic(key, i);
    const block = new Uint32Array(2);
    let word = 0;
    for (const table of [this.#p, this.#s]) {
      for (let i = 0; i < table.length; i += 2) {
        block[0] = (block[0] ?? 0) ^ cyclic(salt, word++);
        block[1] = (block[1] ?? 0) ^ cyclic(salt, word++);
        this.encrypt(block);
        table[i] = block[0] ?? 0;
        table[i + 1] = block[1] ?? 0;
      }
    }
  }
}

/** The `index`-th 32-bit word of the bytes repeated for ever. */
function cyclic(bytes: Buffer, index: number): number {
  let word = 0;
  for (let i = 0; i < 4; i++) word = (word << 8) | (bytes[(index * 4 + i) % bytes.length] ?? 0);
  return word;
}

/** The fraction of pi in 32-bit words, by Machin's formula. */
function digitsOfPi(): Uint32Array {
  const bits = BigInt(WORDS * 32 + 64);
  const one = 1n << bits;
  const arccot = (x: bigint): bigint => {
    let term = one / x;
    let sum = term;
    for (let n = 3n, sign = -1n; term > 0n; n += 2n, sign = -sign) {
      term /= x * x;
      sum += (sign * term) / n;
    }
    return sum;
  };
  const fraction = (4n * (4n * arccot(5n) - arccot(239n))) % one;
  const words = new Uint32Array(WORDS);
  for (let i = 0; i < WORDS; i++) words[i] = Number((fraction >> (bits - 32n * BigInt(i + 1))) & 0xffffffffn);
  return words;
}

function decode(text: string): Buffer {
  let bits = "";
  for (const character of text) bits += ALPHABET.indexOf(character).toString(2).padStart(6, "0");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

function encode(bytes: Buffer): string {
  let bits = "";
  for (const byte of bytes) bits += byte.toString(2).padStart(8, "0");
  return (bits.match(/.{1,6}/g) ?? []).map((six) => ALPHABET[Number.parseInt(six.padEnd(6, "0"), 2)] ?? "").join("");
}
