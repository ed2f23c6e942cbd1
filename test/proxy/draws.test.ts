// Draws are uniform, repeatable, and stay so when more clients come than are remembered.
import t from "tap";
import { Draws } from "../../proxy/draws.ts";

const PORT = 0x1234abcd;

t.test("a function of seed, port, client and ordinal", async (t) => {
  const sequence = (seed: number, port = PORT): string => {
    const draws = new Draws(seed);
    return Array.from({ length: 40 }, () => draws.next(port, "127.0.0.1", 10)).join("");
  };
  t.equal(sequence(1), sequence(1));
  t.not(sequence(1), sequence(2));
  t.not(sequence(1), sequence(1, PORT + 1));
});

/** χ² with 9 degrees of freedom: above 27.9 once in a thousand. */
const chiSquare = (counts: readonly number[], total: number): number =>
  counts.reduce((sum, count) => sum + (count - total / counts.length) ** 2 / (total / counts.length), 0);

t.test("uniform over one client's draws, and over the draws of a crowd that is not remembered", async (t) => {
  const one = new Draws(7);
  const counts = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 20_000; i++) {
    const drawn = one.next(PORT, "127.0.0.1", 10);
    counts[drawn] = (counts[drawn] ?? 0) + 1;
  }
  t.ok(chiSquare(counts, 20_000) < 27.9, counts.join(" "));
  const crowd = new Draws(7);
  const last = Array.from({ length: 10 }, () => 0);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 70_000; i++) {
      const drawn = crowd.next(PORT, `127.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 10);
      if (i === 5) last[drawn] = (last[drawn] ?? 0) + 1;
    }
  }
  t.ok(last.filter((count) => count > 0).length > 1, "a forgotten client does not begin with the same draw each time");
});
