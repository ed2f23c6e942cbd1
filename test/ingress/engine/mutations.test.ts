// Heads of answers with some bytes changed: the memory engine takes and refuses what Node's client does, and reads the same in it.
import { assert, asyncProperty, constantFrom, integer, record } from "fast-check";
import t from "tap";
import { outcome, Setup } from "./pod.ts";

const ANSWERS = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVary: a, b\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
  "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
  "HTTP/1.1 404 Not Found\r\nX: 1\r\nX: \r\n\r\nhello",
];
const EDIT = record({
  at: integer({ min: 0, max: 70 }),
  remove: integer({ min: 0, max: 3 }),
  insert: constantFrom("", " ", "\r", "\n", "\r\n", "\r\n ", ":", "0", "5", "a", "\u00e9", ";", ",", "-", "HTTP"),
});

/** Status, reason and headers, or that there was no answer: Node takes a status below 100 for one. */
function headOf(text: string): string {
  return /^\d{3} /.test(text) ? text.slice(0, text.indexOf("]") + 1) : "refused";
}

t.test("heads with an edit", async () => {
  await assert(
    asyncProperty(constantFrom(...ANSWERS), EDIT, async (answer, { at, remove, insert }) => {
      const from = Math.min(at, answer.indexOf("\r\n\r\n"));
      const text = answer.slice(0, from) + insert + answer.slice(from + remove);
      const heads: string[] = [];
      for (const engine of ["node:http", "memory"] as const) {
        using setup = new Setup(engine);
        setup.answer = ({ socket }) => void socket.end(Buffer.from(text, "latin1"));
        heads.push(headOf(await outcome(setup.send())));
      }
      if (heads[0] !== heads[1]) throw new Error(`${JSON.stringify(text)}: node:http ${heads[0]}, memory ${heads[1]}`);
    }),
    { numRuns: Number(process.env["RUNS"] ?? 300) },
  );
});
