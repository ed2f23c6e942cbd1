// Cron schedules: five fields, names, ranges, steps, lists, and the @ words. When they are due, in a time zone.
// Upstream: github.com/robfig/cron/v3 parser.go and spec.go. Left out: @every, which CronJobs hardly use and which has no calendar.

export interface CronSchedule {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** Neither day field is `*`: then either of them makes a day match. */
  readonly eitherDay: boolean;
}

const WORDS: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

interface Bounds {
  readonly low: number;
  readonly high: number;
  readonly names: readonly string[];
}

const BOUNDS: readonly Bounds[] = [
  { low: 0, high: 59, names: [] },
  { low: 0, high: 23, names: [] },
  { low: 1, high: 31, names: [] },
  { low: 1, high: 12, names: MONTHS },
  { low: 0, high: 6, names: WEEKDAYS },
];

/** The schedule, or upstream's words for what is wrong with the text. */
export function parseCron(text: string): CronSchedule | string {
  const spec = text.startsWith("@") ? WORDS[text.toLowerCase()] : text;
  if (spec === undefined) return `unrecognized descriptor: ${text}`;
  const fields = spec.trim().split(/\s+/);
  if (fields.length !== BOUNDS.length)
    return `expected exactly 5 fields, found ${fields[0] === "" ? 0 : fields.length}: [${fields.join(" ")}]`;
  const sets: ReadonlySet<number>[] = [];
  for (const [index, bounds] of BOUNDS.entries()) {
    const set = parseField(fields[index] ?? "", bounds);
    if (typeof set === "string") return set;
    sets.push(set);
  }
  const [minutes = new Set(), hours = new Set(), days = new Set(), months = new Set(), weekdays = new Set()] = sets;
  // With a step it is a choice of days like any other.
  const open = (field = ""): boolean => field.split(",").some((part) => /^[*?](\/1)?$/.test(part));
  return { minutes, hours, days, months, weekdays, eitherDay: !open(fields[2]) && !open(fields[4]) };
}

function parseField(field: string, bounds: Bounds): ReadonlySet<number> | string {
  const set = new Set<number>();
  for (const part of field.split(",")) {
    const [range = "", step, ...more] = part.split("/");
    if (more.length > 0) return `too many slashes: ${part}`;
    const [from = "", to, ...rest] = range.split("-");
    if (rest.length > 0) return `too many hyphens: ${part}`;
    const open = from === "*" || from === "?";
    const low = open ? bounds.low : numberOf(from, bounds);
    const high = open ? bounds.high : to !== undefined ? numberOf(to, bounds) : step === undefined ? low : bounds.high;
    const by = step === undefined ? 1 : numberOf(step, { low: 1, high: bounds.high, names: [] });
    for (const [value, word] of [
      [low, from],
      [high, to ?? from],
      [by, step ?? ""],
    ] as const)
      if (Number.isNaN(value)) return `failed to parse int from ${word}: strconv.Atoi: parsing ${JSON.stringify(word)}: invalid syntax`;
    if (low < bounds.low) return `beginning of range (${low}) below minimum (${bounds.low}): ${part}`;
    if (high > bounds.high) return `end of range (${high}) above maximum (${bounds.high}): ${part}`;
    if (low > high) return `beginning of range (${low}) beyond end of range (${high}): ${part}`;
    if (by === 0) return `step of range should be a positive number: ${part}`;
    for (let value = low; value <= high; value += by) set.add(value);
  }
  return set;
}

function numberOf(text: string, { names, low }: Bounds): number {
  const named = names.indexOf(text.toLowerCase());
  if (named >= 0) return named + (names === MONTHS ? low : 0);
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

const MINUTE_MS = 60_000;
/** A schedule such as 30 February is never due: nothing is looked for beyond this. */
const YEARS_MS = 5 * 366 * 86_400_000;

/** The first time after `afterMs` at which the schedule is due, in milliseconds; undefined when there is none in five years. */
export function nextCron(schedule: CronSchedule, afterMs: number, timeZone = "UTC"): number | undefined {
  const wall = wallClock(timeZone);
  let at = Math.floor(afterMs / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
  const end = at + YEARS_MS;
  while (at < end) {
    const { month, day, weekday, hour, minute } = wall(at);
    if (!schedule.months.has(month) || !dayMatches(schedule, day, weekday)) at += ((24 - hour) * 60 - minute) * MINUTE_MS || MINUTE_MS;
    else if (!schedule.hours.has(hour)) at += (60 - minute) * MINUTE_MS;
    else if (!schedule.minutes.has(minute)) at += MINUTE_MS;
    else return at;
  }
  return undefined;
}

function dayMatches({ days, weekdays, eitherDay }: CronSchedule, day: number, weekday: number): boolean {
  return eitherDay ? days.has(day) || weekdays.has(weekday) : days.has(day) && weekdays.has(weekday);
}

/** True for a name that this Node's time zone data knows. */
export function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

interface WallTime {
  readonly month: number;
  readonly day: number;
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
}

function wallClock(timeZone: string): (ms: number) => WallTime {
  if (timeZone === "UTC") {
    return (ms) => {
      const date = new Date(ms);
      const [month, day, weekday] = [date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCDay()];
      return { month, day, weekday, hour: date.getUTCHours(), minute: date.getUTCMinutes() };
    };
  }
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    month: "numeric",
    day: "numeric",
    weekday: "short",
    hour: "numeric",
    minute: "numeric",
  });
  return (ms) => {
    const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]));
    const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
    const weekday = WEEKDAYS.indexOf((parts.get("weekday") ?? "").toLowerCase());
    return { month: number("month"), day: number("day"), weekday, hour: number("hour"), minute: number("minute") };
  };
}
