// How Go programs print times and durations in logs and pages.

/** "2006/01/02 15:04:05", the prefix of Go's log package. */
export function goLogTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replaceAll("-", "/").replace("T", " ");
}

/** "2006-01-02 15:04:05.999999999 +0000 UTC", as time.Time prints. */
export function goTime(ms: number): string {
  const date = new Date(ms);
  const fraction = String(date.getUTCMilliseconds()).padStart(3, "0").replace(/0+$/, "");
  return `${date.toISOString().slice(0, 19).replace("T", " ")}${fraction === "" ? "" : `.${fraction}`} +0000 UTC`;
}

/** "1.5s", "12.3ms", "40µs", as time.Duration prints. */
export function goDuration(ms: number): string {
  const trim = (value: number, digits: number): string => String(Number(value.toFixed(digits)));
  if (ms === 0) return "0s";
  if (ms < 1) return `${trim(ms * 1000, 3)}µs`;
  if (ms < 1000) return `${trim(ms, 6)}ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${trim(seconds, 9)}s`;
  const minutes = Math.floor(seconds / 60);
  const rest = `${trim(seconds - minutes * 60, 9)}s`;
  return minutes < 60 ? `${minutes}m${rest}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${rest}`;
}

/** "300ms", "1.5s", "1m", "5" (no unit: undefined) in milliseconds, as time.ParseDuration reads. */
export function parseGoDuration(text: string): number | undefined {
  const units: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  if (text === "0") return 0;
  if (!/^[-+]?(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, number, , unit] of text.matchAll(/(\d+(\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) total += Number(number) * (units[unit ?? "s"] ?? 0);
  return text.startsWith("-") ? -total : total;
}

/** The port of a Go listen address: ":8080", "0.0.0.0:80", "[::]:80"; undefined when there is none. */
export function listenPort(text: string): number | undefined {
  const port = /:(\d+)$/.exec(text)?.[1];
  return port === undefined || Number(port) > 65535 ? undefined : Number(port);
}
