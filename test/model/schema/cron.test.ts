// Cron schedules: when they are due. Source of the rows: robfig/cron's spec_test.go and parser_test.go, and crontab(5).
import t from "tap";
import { nextCron, parseCron } from "../../../model/schema/cron.ts";

t.test("the next time", (t) => {
  const rows: readonly (readonly [after: string, schedule: string, next: string | undefined, zone?: string])[] = [
    ["2025-07-09T14:45:00Z", "0/15 * * * *", "2025-07-09T15:00:00Z"],
    ["2025-07-09T14:59:59Z", "0/15 * * * *", "2025-07-09T15:00:00Z"],
    ["2025-07-09T15:45:00Z", "20-35/15 * * * *", "2025-07-09T16:20:00Z"],
    ["2025-07-09T23:35:00Z", "15/35 20-35/15 * * *", undefined],
    ["2025-07-09T23:46:00Z", "*/15 * * * *", "2025-07-10T00:00:00Z"],
    ["2025-07-09T00:00:00Z", "0 0 9 Apr-Oct ?", "2025-08-09T00:00:00Z"],
    ["2025-07-09T23:35:00Z", "0 0 */5 Apr,Aug,Oct Mon", "2025-08-01T00:00:00Z"],
    ["2025-07-09T23:35:00Z", "0 0 29 Feb ?", "2028-02-29T00:00:00Z"],
    ["2025-07-09T23:35:00Z", "0 0 30 Feb ?", undefined],
    ["2025-07-09T23:35:00Z", "0 0 1 * Sun", "2025-07-13T00:00:00Z"],
    ["2025-07-09T23:35:00Z", "@hourly", "2025-07-10T00:00:00Z"],
    ["2025-12-31T23:59:59Z", "@yearly", "2026-01-01T00:00:00Z"],
    ["2025-07-09T12:00:00Z", "30 9 * * Mon-Fri", "2025-07-09T13:30:00Z", "America/New_York"],
    ["2025-01-09T12:00:00Z", "30 9 * * Mon-Fri", "2025-01-09T14:30:00Z", "America/New_York"],
  ];
  for (const [after, text, next, zone] of rows) {
    const schedule = parseCron(text);
    if (typeof schedule === "string") {
      t.equal(next, undefined, `${text}: ${schedule}`);
      continue;
    }
    const at = nextCron(schedule, Date.parse(after), zone);
    t.equal(at === undefined ? undefined : new Date(at).toISOString().replace(".000", ""), next, `${text} after ${after}`);
  }
  t.end();
});

t.test("what is no schedule", (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ["* * * *", "expected exactly 5 fields, found 4: [* * * *]"],
    ["* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"],
    ["@unrecognized", "unrecognized descriptor: @unrecognized"],
    ["60 * * * *", "end of range (60) above maximum (59): 60"],
    ["* * 0 * *", "beginning of range (0) below minimum (1): 0"],
    ["5-4 * * * *", "beginning of range (5) beyond end of range (4): 5-4"],
    ["1/2/3 * * * *", "too many slashes: 1/2/3"],
    ["1-2-3 * * * *", "too many hyphens: 1-2-3"],
    ["*/0 * * * *", "step of range should be a positive number: */0"],
    ["x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
  ];
  for (const [text, message] of rows) t.equal(parseCron(text), message, text);
  t.end();
});
