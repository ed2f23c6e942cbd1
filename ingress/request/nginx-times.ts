// Times as nginx's variables write them. The image's time zone is UTC.

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Of milliseconds: `1.234`. */
export const seconds = (ms: number): string => (Math.max(0, Math.round(ms)) / 1000).toFixed(3);

/** How long something took; "-" for what is not over. */
export const since = (startedAt: number, at: number | undefined): string => (at === undefined ? "-" : seconds(at - startedAt));

/** $time_local: `20/Nov/2026:12:00:00 +0000`. */
export function localTime(ms: number): string {
  const text = new Date(ms).toISOString();
  return `${text.slice(8, 10)}/${MONTHS[Number(text.slice(5, 7)) - 1]}/${text.slice(0, 4)}:${text.slice(11, 19)} +0000`;
}

/** $time_iso8601: `2026-11-20T12:00:00+00:00`. */
export const isoTime = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "+00:00");
