// Durations on the command line: 500ms, 10s, 2m.
import { InvalidArgumentError } from "commander";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/** Milliseconds; throws commander's refusal for other text, zero, and more than a day. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text);
  const ms = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ""] ?? Number.NaN);
  if (!(ms > 0 && ms <= 86_400_000)) throw new InvalidArgumentError("not a duration such as 500ms, 10s or 2m");
  return ms;
}
