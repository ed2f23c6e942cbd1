// Resource quantities as numbers, for adding requests up. Upstream: apimachinery pkg/api/resource. Left out: exact decimals.
const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The number that `250m`, `1Gi` or `1e3` stands for; 0 for text that is no quantity. */
export function quantityValue(text: string | number | undefined): number {
  const match = /^([+-]?[\d.]+(?:[eE][+-]?\d+)?)([numkMGTPE]|[KMGTPE]i)?$/.exec(String(text ?? "0"));
  const value = Number(match?.[1] ?? 0) * (SUFFIXES[match?.[2] ?? ""] ?? 1);
  return Number.isFinite(value) ? value : 0;
}
