import t from "tap";
import { createIds, safeEncode } from "../../model/ids.ts";
import { hash32, seededRandom } from "../../model/random.ts";

t.test("ids have upstream's forms and follow the seed", (t) => {
  const ids = createIds(seededRandom("a"));
  for (let i = 0; i < 200; i++) {
    t.match(ids.suffix(), /^[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    t.match(ids.uid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  t.match(ids.safe(9), /^[bcdfghjklmnpqrstvwxz2456789]{9}$/);
  t.match(ids.hex(7), /^[0-9a-f]{7}$/);
  const [a, b, c] = ["x", "x", "y"].map((seed) => createIds(seededRandom(seed)).uid());
  t.equal(a, b);
  t.not(a, c);
  t.match(safeEncode("1234567890"), /^[bcdfghjklmnpqrstvwxz2456789]{10}$/);
  t.end();
});

t.test("random streams", (t) => {
  const a = seededRandom(1);
  const b = seededRandom(1);
  t.same(
    Array.from({ length: 20 }, () => a.next()),
    Array.from({ length: 20 }, () => b.next()),
  );
  const forkBefore = seededRandom(1).fork("x").next();
  const used = seededRandom(1);
  used.next();
  t.equal(used.fork("x").next(), forkBefore, "a fork depends on seed and label only");
  t.not(seededRandom(1).fork("y").next(), forkBefore);
  const counts = [0, 0, 0, 0];
  const dice = seededRandom("dice");
  for (let i = 0; i < 4000; i++) {
    const face = dice.int(4);
    counts[face] = (counts[face] ?? 0) + 1;
  }
  for (const count of counts) t.ok(count > 900 && count < 1100, `${count} of 4000`);
  t.equal(hash32("a"), hash32("a"));
  t.not(hash32("a"), hash32("a", 1));
  t.end();
});
