// date: the cluster's clock, +FORMAT, -u, -I, -R, -d @SECONDS or an RFC 3339 time. The zone is UTC.
import { parseGetopt } from "./flags.ts";
import { write } from "./streams.ts";
import { toolWithUsage } from "./usage.ts";
import { fail } from "./tool.ts";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/** strftime in UTC. */
export function formatDate(ms: number, format: string): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = DAYS[date.getUTCDay()] ?? "";
  const month = MONTHS[date.getUTCMonth()] ?? "";
  const hour12 = date.getUTCHours() % 12 || 12;
  const fields: Readonly<Record<string, () => string>> = {
    Y: () => String(date.getUTCFullYear()),
    y: () => two(date.getUTCFullYear() % 100),
    m: () => two(date.getUTCMonth() + 1),
    d: () => two(date.getUTCDate()),
    e: () => String(date.getUTCDate()).padStart(2),
    H: () => two(date.getUTCHours()),
    I: () => two(hour12),
    M: () => two(date.getUTCMinutes()),
    S: () => two(date.getUTCSeconds()),
    N: () => `${String(date.getUTCMilliseconds()).padStart(3, "0")}000000`,
    s: () => String(Math.floor(ms / 1000)),
    j: () => String(Math.floor((ms - Date.UTC(date.getUTCFullYear(), 0, 0)) / 86_400_000)).padStart(3, "0"),
    a: () => day.slice(0, 3),
    A: () => day,
    b: () => month.slice(0, 3),
    h: () => month.slice(0, 3),
    B: () => month,
    p: () => (date.getUTCHours() < 12 ? "AM" : "PM"),
    u: () => String(date.getUTCDay() || 7),
    w: () => String(date.getUTCDay()),
    Z: () => "UTC",
    z: () => "+0000",
    F: () => formatDate(ms, "%Y-%m-%d"),
    T: () => formatDate(ms, "%H:%M:%S"),
    R: () => formatDate(ms, "%H:%M"),
    D: () => formatDate(ms, "%m/%d/%y"),
    c: () => formatDate(ms, "%a %b %e %H:%M:%S %Y"),
    n: () => "\n",
    t: () => "\t",
    "%": () => "%",
  };
  return format.replace(/%(-?)([A-Za-z%])/g, (all, dash: string, letter: string) => {
    const text = fields[letter]?.();
    return text === undefined ? all : dash === "" ? text : text.replace(/^[0 ]+(?=.)/, "");
  });
}

export const date = toolWithUsage("date", "[-uR] [-I[SPEC]] [-d TIME] [+FORMAT]", async (argv, io) => {
  const iso = argv.find((word) => /^(-I|--iso-8601)/.test(word));
  const flags = parseGetopt(
    argv.slice(1).filter((word) => word !== iso),
    "uRd:",
    { utc: "u", date: "d:" },
  );
  const when = flags.get("d");
  const ms =
    when === undefined
      ? io.context.clock.now()
      : when.startsWith("@")
        ? Number(when.slice(1)) * 1000
        : Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(when) ? when : `${when}Z`);
  if (Number.isNaN(ms)) return fail(io, `date: invalid date '${when ?? ""}'`);
  const isoFormat = iso === undefined ? undefined : /s(econds)?$/.test(iso) ? "%Y-%m-%dT%H:%M:%S+00:00" : "%Y-%m-%d";
  const operand = flags.rest[0];
  if (operand !== undefined && !operand.startsWith("+")) return fail(io, "date: can't set date: Operation not permitted");
  await write(
    io,
    `${formatDate(ms, isoFormat ?? (flags.has("R") ? "%a, %d %b %Y %H:%M:%S +0000" : (operand?.slice(1) ?? "%a %b %e %H:%M:%S UTC %Y")))}\n`,
  );
  return 0;
});
