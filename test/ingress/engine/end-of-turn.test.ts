import { once } from "node:events";
import { test } from "tap";
import { atEndOfTurn } from "../../../ingress/engine/end-of-turn.ts";
import { nextTurn } from "../../../model/clock.ts";

test("work is done in order, all of it in one turn, after the I/O of that turn", async (t) => {
  const done: string[] = [];
  atEndOfTurn(() => {
    done.push("first");
    atEndOfTurn(() => done.push("of the next turn"));
  });
  atEndOfTurn(() => done.push("second"));
  await Promise.resolve();
  t.strictSame(done, [], "promises of this turn come before it");
  await nextTurn();
  t.strictSame(done, ["first", "second"]);
  await nextTurn();
  t.strictSame(done, ["first", "second", "of the next turn"]);
});

test("work that throws is the program's fault, and the rest is done all the same", async (t) => {
  const done: string[] = [];
  const seen = once(process, "uncaughtException");
  atEndOfTurn(() => {
    throw new Error("broken");
  });
  atEndOfTurn(() => done.push("the rest"));
  const [error] = (await seen) as [Error];
  t.equal(error.message, "broken");
  await nextTurn();
  t.strictSame(done, ["the rest"]);
});

test("thirty-two do not wait for the end of the turn, and what one of them throws is not the caller's", async (t) => {
  const done: number[] = [];
  const seen = once(process, "uncaughtException");
  atEndOfTurn(() => {
    throw new Error("broken");
  });
  for (let i = 1; i < 32; i++) {
    t.strictSame(done, []);
    atEndOfTurn(() => done.push(i));
  }
  atEndOfTurn(() => done.push(32));
  const [error] = (await seen) as [Error];
  t.equal(error.message, "broken");
  t.strictSame(
    done,
    Array.from({ length: 32 }, (_, i) => i + 1),
  );
});
