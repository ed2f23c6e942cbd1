// Randomness's one home: a small seeded generator (sfc32) that can be forked by label, so that streams do not disturb each other.
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, n). */
  int(n: number): number;
  /** An independent stream that depends on this one's seed and the label only. */
  fork(label: string): Random;
}

/** A generator of the seed; equal seeds give equal sequences. */
export function seededRandom(seed: string | number): Random {
  const text = String(seed);
  // In a typed array: 32-bit numbers in a closure's variables are allocated anew with each change.
  const state = Int32Array.of(hash32(text, 1), hash32(text, 2), hash32(text, 3), 1);
  const next32 = (): number => {
    const [a = 0, b = 0, c = 0, counter = 0] = [state[0], state[1], state[2], state[3]];
    const t = (((a + b) | 0) + counter) | 0;
    state[0] = b ^ (b >>> 9);
    state[1] = (c + (c << 3)) | 0;
    state[2] = (((c << 21) | (c >>> 11)) + t) | 0;
    state[3] = (counter + 1) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) next32();
  return {
    next: () => next32() / 4294967296,
    int: (n) => Math.floor((next32() / 4294967296) * n),
    fork: (label) => seededRandom(`${text}/${label}`),
  };
}

/** FNV-1a, 32 bits, avalanched: a fast non-cryptographic hash of text. */
export function hash32(text: string, seed = 0): number {
  let hash = 0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
