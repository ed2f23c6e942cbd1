// Ages as kubectl shows them: "45s", "5m10s", "3h", "2d4h". Upstream: apimachinery pkg/util/duration HumanDuration.

const unit = (value: number, suffix: string, rest = 0, restSuffix = ""): string =>
  rest === 0 ? `${value}${suffix}` : `${value}${suffix}${rest}${restSuffix}`;

/** Text of a duration in milliseconds; "<invalid>" when it lies more than a second in the future. */
export function humanDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return unit(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 8) return unit(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (hours < 24 * 8) return unit(days, "d", hours % 24, "h");
  if (hours < 24 * 365 * 2) return `${days}d`;
  const years = Math.trunc(days / 365);
  if (hours < 24 * 365 * 8) return unit(years, "y", days % 365, "d");
  return `${years}y`;
}

/** Time from an RFC 3339 timestamp until `nowMs`; "<unknown>" when there is none. */
export function ageOf(time: string | undefined, nowMs: number): string {
  const at = time === undefined || time === "" ? Number.NaN : Date.parse(time);
  return Number.isNaN(at) ? "<unknown>" : humanDuration(nowMs - at);
}
