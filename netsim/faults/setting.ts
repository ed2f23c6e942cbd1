// The units in which faults are set: durations, shares and rates, from text.
import { FaultSetting } from "./fault.ts";

const DURATION_UNITS: Readonly<Record<string, number>> = { us: 0.001, µs: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const RATE_UNITS: Readonly<Record<string, number>> = {
  bit: 1 / 8,
  kbit: 1e3 / 8,
  mbit: 1e6 / 8,
  gbit: 1e9 / 8,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
};

/** `50ms`, `1.5s`, `1m30s` → milliseconds. */
export function readDurationMs(value: unknown): number {
  const complaint = "must be a duration such as 50ms, 1.5s or 2m";
  if (typeof value !== "string" || !/^(\d+(\.\d+)?(us|µs|ms|s|m|h))+$/.test(value)) throw new FaultSetting(complaint);
  let total = 0;
  for (const [, number = "", unit = ""] of value.matchAll(/(\d+(?:\.\d+)?)(us|µs|ms|s|m|h)/g))
    total += Number(number) * (DURATION_UNITS[unit] ?? 0);
  if (total > 3_600_000) throw new FaultSetting("must be no more than 1h");
  return total;
}

/** `1%`, `0.5%` → a share of 1. */
export function readShare(value: unknown): number {
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?)%$/.exec(value) : null;
  const percent = Number(match?.[1]);
  if (!match || percent > 100) throw new FaultSetting("must be a percentage from 0% to 100%, such as 1% or 0.5%");
  return percent / 100;
}

/** `1Mbit`, `500kbit`, `10MB` (each per second, `/s` may follow) → bytes per millisecond. */
export function readRate(value: unknown): number {
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?)([a-zA-Z]+?)(?:\/s|ps)?$/.exec(value) : null;
  const unit = RATE_UNITS[(match?.[2] ?? "").toLowerCase()];
  const perSecond = Number(match?.[1]) * (unit ?? 0);
  if (!match || unit === undefined || !(perSecond >= 1)) {
    throw new FaultSetting("must be a rate of at least 8bit such as 500kbit, 1Mbit or 1Gbit (bits per second), or 10MB (bytes per second)");
  }
  return perSecond / 1000;
}

/** `true` or `false`. */
export function readFlag(value: unknown): boolean {
  if (typeof value !== "boolean") throw new FaultSetting("must be true or false");
  return value;
}

/** A whole number from 1. */
export function readCount(value: unknown): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1) throw new FaultSetting("must be a whole number greater than 0");
  return value;
}
