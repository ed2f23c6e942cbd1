// Text as Go's strconv and time read it.

/** Go's strconv.ParseBool. */
export function parseBool(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  return undefined;
}

/** Go's strconv.ParseInt with base 0: `0x1f`, `0o17` and `017`, `0b1`, `1_000`. */
export function goInteger(text: string): number | undefined {
  const [, sign = "", digits = ""] = /^([+-]?)(\w+)$/.exec(text) ?? [];
  if (!/^(?:0|[1-9](?:_?\d)*|0[xX](?:_?[\da-fA-F])+|0[oO]?(?:_?[0-7])+|0[bB](?:_?[01])+)$/.test(digits)) return undefined;
  const value = Number(digits.replaceAll("_", "").replace(/^0(?=\d)/, "0o"));
  return sign === "-" && value !== 0 ? -value : value;
}

/** Go's time.ParseDuration for what is not negative: `5s`, `1m30s`, `500ms`; in milliseconds. */
export function goDurationMs(text: string): number | undefined {
  const units: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  if (!/^(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return text === "0" ? 0 : undefined;
  let total = 0;
  for (const [, digits, unit = ""] of text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) total += Number(digits) * (units[unit] ?? 0);
  return total;
}
