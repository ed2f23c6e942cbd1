// resource.Quantity: its canonical text ("0.5" is 500m, "1024Mi" is 1Gi).
// Upstream: apimachinery pkg/api/resource/quantity.go. Amounts are exact in nano units; finer ones round up.

const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const PATTERN = /^([+-]?)(\d+\.?\d*|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][-+]?\d{1,3})?$/;
const NANO = 1_000_000_000n;

interface Parsed {
  readonly nanos: bigint;
  readonly format: "binary" | "decimal" | "exponent";
}

/** True when the text is a quantity. */
export function isQuantity(text: string): boolean {
  return PATTERN.test(text);
}

/** The amount in billionths; undefined when `text` is no quantity. */
export function quantityNanos(text: string): bigint | undefined {
  return parse(text)?.nanos;
}

/** The shortest exact text, as Quantity.String() prints it; a text that is no quantity is returned as it is. */
export function canonicalQuantity(text: string): string {
  const parsed = parse(text);
  if (!parsed) return text;
  const { nanos, format } = parsed;
  if (nanos === 0n) return "0";
  if (format === "binary" && nanos % NANO === 0n && (nanos >= 1024n * NANO || nanos <= -1024n * NANO)) {
    let amount = nanos / NANO;
    let power = 0;
    while (amount % 1024n === 0n && power < BINARY.length - 1) {
      amount /= 1024n;
      power++;
    }
    return `${amount}${BINARY[power] ?? ""}`;
  }
  let amount = nanos;
  let power = 0;
  while (amount % 1000n === 0n && power < DECIMAL.length - 1) {
    amount /= 1000n;
    power++;
  }
  if (format !== "exponent") return `${amount}${DECIMAL[power] ?? ""}`;
  const exponent = power * 3 - 9;
  return exponent === 0 ? `${amount}` : `${amount}e${exponent}`;
}

function parse(text: string): Parsed | undefined {
  const match = PATTERN.exec(text);
  if (!match) return undefined;
  const [, sign, digits = "", suffix = ""] = match;
  const [whole = "", fraction = ""] = digits.split(".");
  let numerator = BigInt(`${whole}${fraction}` || "0") * NANO;
  let denominator = 10n ** BigInt(fraction.length);
  const binary = suffix.length === 2 && suffix.endsWith("i") ? BINARY.indexOf(suffix) : -1;
  const exponent = /^[eE][-+]?\d+$/.test(suffix) ? Number(suffix.slice(1)) : binary < 0 ? (DECIMAL.indexOf(suffix) - 3) * 3 : 0;
  if (binary > 0) numerator *= 1024n ** BigInt(binary);
  else if (exponent > 0) numerator *= 10n ** BigInt(exponent);
  else denominator *= 10n ** BigInt(-exponent);
  const nanos = (numerator + denominator - 1n) / denominator;
  const format = binary > 0 ? "binary" : /^[eE]/.test(suffix) && suffix.length > 1 ? "exponent" : "decimal";
  return { nanos: sign === "-" ? -nanos : nanos, format };
}
