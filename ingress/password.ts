// Stored passwords of htpasswd files: bcrypt, apr1 and crypt MD5, SHA, SSHA and plain ones.
// Upstream: ngx_crypt.c and the C library's crypt(). Leaves out DES and the SHA-2 crypt schemes: they never match.
import { createHash, timingSafeEqual } from "node:crypto";
import { bcrypt } from "./bcrypt.ts";

/** True when `password` is what `stored` was made of. Long computations let the event loop run in between. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  if (/^\$2[abxy]\$/.test(stored)) return same(await bcrypt(password, stored), stored);
  const md5 = /^(\$apr1\$|\$1\$)([^$]{0,8})\$/.exec(stored);
  if (md5) return same(`${md5[0]}${md5Crypt(password, md5[1] ?? "", md5[2] ?? "")}`, stored);
  if (stored.startsWith("{SHA}")) return same(`{SHA}${createHash("sha1").update(password).digest("base64")}`, stored);
  if (stored.startsWith("{SSHA}")) {
    const bytes = Buffer.from(stored.slice(6), "base64");
    const digest = createHash("sha1").update(password).update(bytes.subarray(20)).digest();
    return bytes.length > 20 && timingSafeEqual(digest, bytes.subarray(0, 20));
  }
  return stored.startsWith("{PLAIN}") && same(stored.slice(7), password);
}

function same(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => createHash("sha256").update(text).digest());
  return left !== undefined && right !== undefined && timingSafeEqual(left, right);
}

const ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** The 1000-round MD5 scheme of FreeBSD's crypt and Apache. */
function md5Crypt(password: string, magic: string, salt: string): string {
  const key = Buffer.from(password);
  const md5 = (...parts: (string | Buffer)[]): Buffer => {
    const hash = createHash("md5");
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  const inner = md5(key, salt, key);
  const parts: (string | Buffer)[] = [key, magic, salt];
  for (let left = key.length; left > 0; left -= 16) parts.push(inner.subarray(0, Math.min(16, left)));
  for (let bits = key.length; bits > 0; bits >>= 1) parts.push(bits & 1 ? Buffer.of(0) : key.subarray(0, 1));
  let digest = md5(...parts);
  for (let round = 0; round < 1000; round++) {
    const turn: (string | Buffer)[] = [round & 1 ? key : digest];
    if (round % 3 !== 0) turn.push(salt);
    if (round % 7 !== 0) turn.push(key);
    turn.push(round & 1 ? digest : key);
    digest = md5(...turn);
  }
  const at = (index: number): number => digest[index] ?? 0;
  const text = (value: number, count: number): string => {
    let out = "";
    for (let left = value, i = 0; i < count; i++, left >>= 6) out += ALPHABET[left & 63] ?? "";
    return out;
  };
  const triples: readonly (readonly [number, number, number])[] = [
    [0, 6, 12],
    [1, 7, 13],
    [2, 8, 14],
    [3, 9, 15],
    [4, 10, 5],
  ];
  return triples.map(([a, b, c]) => text((at(a) << 16) | (at(b) << 8) | at(c), 4)).join("") + text(at(11), 2);
}
