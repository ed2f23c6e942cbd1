import t from "tap";
import { microTimestamp, sleep, timestamp, VirtualClock } from "../../model/clock.ts";

t.test("a virtual clock fires what is due, in order", async (t) => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  clock.after(20, () => fired.push("b"));
  clock.after(10, () => fired.push("a"));
  clock.after(20, () => {
    fired.push("c");
    clock.after(5, () => fired.push(`d at ${clock.monotonic()}`));
  });
  const cancelled = clock.after(15, () => fired.push("never"));
  cancelled.cancel();
  t.equal(clock.nextDueMs(), 10);
  await clock.advance(19);
  t.same(fired, ["a"]);
  await clock.advance(6);
  t.same(fired, ["a", "b", "c", "d at 25"]);
  t.equal(clock.nextDueMs(), undefined);
});

t.test("sleep and its abort", async (t) => {
  const clock = new VirtualClock();
  let woke = false;
  const slept = sleep(clock, 1000).then(() => (woke = true));
  await clock.advance(999);
  t.notOk(woke);
  await clock.advance(1);
  await slept;
  t.ok(woke);
  const abort = new AbortController();
  const aborted = sleep(clock, 1000, abort.signal);
  abort.abort(new Error("enough"));
  await t.rejects(aborted, { message: "enough" });
  t.equal(clock.nextDueMs(), undefined, "its timer is gone");
  await t.rejects(sleep(clock, 1, abort.signal), { message: "enough" });
});

t.test("timestamps", (t) => {
  const clock = new VirtualClock(Date.UTC(2025, 2, 4, 5, 6, 7, 89));
  t.equal(timestamp(clock), "2025-03-04T05:06:07Z");
  t.equal(microTimestamp(clock), "2025-03-04T05:06:07.089000Z");
  t.end();
});
