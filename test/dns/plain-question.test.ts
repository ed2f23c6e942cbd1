// The quick reader of plain questions against dns2's: whatever it takes, it must read the same way.
import fc from "fast-check";
import t from "tap";
import { decodeQuery } from "../../dns/decode.ts";
import { encodeQuery } from "../../dns/encode.ts";
import { plainQuery, readPlainQuestion, sameName } from "../../dns/plain-question.ts";

const SEED = 20_241_121;
const client = { ip: "127.244.1.9", port: 40_000 };
const octets = fc.array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength: 12 });
const names = fc.array(octets, { minLength: 0, maxLength: 8 });

function message(labels: readonly (readonly number[])[], type: number, cls: number, flags: number, opt: Buffer | undefined): Buffer {
  const name = Buffer.concat([...labels.map((label) => Buffer.from([label.length, ...label])), Buffer.from([0])]);
  const tail = Buffer.from([type >> 8, type & 255, cls >> 8, cls & 255]);
  const header = Buffer.from([0x12, 0x34, flags >> 8, flags & 255, 0, 1, 0, 0, 0, 0, 0, opt ? 1 : 0]);
  return Buffer.concat([header, name, tail, opt ?? Buffer.alloc(0)]);
}
const option = fc.uint8Array({ maxLength: 10 }).map((data) => Buffer.from([0, 10, 0, data.length, ...data]));
const opts = fc
  .tuple(fc.integer({ min: 0, max: 65_535 }), fc.boolean(), fc.array(option, { maxLength: 2 }))
  .map(([size, dnssec, options]) => {
    const rdata = Buffer.concat(options);
    return Buffer.concat([Buffer.from([0, 0, 41, size >> 8, size & 255, 0, 0, dnssec ? 0x80 : 0, 0, 0, rdata.length]), rdata]);
  });

t.test("reads what dns2 reads", async (t) => {
  let plain = 0;
  fc.assert(
    fc.property(
      names,
      fc.constantFrom(1, 28, 33, 65_280),
      fc.constantFrom(1, 3),
      fc.constantFrom(0x0100, 0x0120, 0x0110, 0),
      fc.option(opts, { nil: undefined }),
      (labels, type, cls, flags, opt) => {
        const bytes = message(labels, type, cls, flags, opt);
        const quick = readPlainQuestion(bytes, 65_535);
        if (!quick) return true;
        plain++;
        const decoded = decodeQuery(bytes, "udp", client);
        if (decoded.type !== "query") throw new Error("dns2 does not read it");
        t.same(plainQuery(bytes, quick, "udp", client), decoded.query);
        return true;
      },
    ),
    { seed: Number(process.env["FUZZ_SEED"] ?? SEED), numRuns: Number(process.env["FUZZ_RUNS"] ?? 500) },
  );
  t.ok(plain > 50, `${plain} of them were plain`);
});

t.test("leaves to dns2 what is not plain", async (t) => {
  const good = encodeQuery(1, "web.default.svc.cluster.local.", 1);
  const rows: readonly [string, Buffer, boolean][] = [
    ["a plain question", good, true],
    ["the root", encodeQuery(1, ".", 2), false],
    ["an escaped dot", encodeQuery(1, "a\\.b.c.", 1), false],
    ["cut in the name", good.subarray(0, 20), false],
    ["a byte too many", Buffer.concat([good, Buffer.from([0])]), false],
    ["a pointer", Buffer.concat([good.subarray(0, 12), Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]), false],
    ["254 bytes of name", encodeQuery(1, `${`${"a".repeat(62)}.`.repeat(4)}`, 1), true],
    ["256 bytes of name", encodeQuery(1, `${`${"a".repeat(63)}.`.repeat(4)}`, 1), false],
  ];
  for (const [what, bytes, expected] of rows) t.equal(readPlainQuestion(bytes, 1232) !== undefined, expected, what);
});

t.test("one hash for spellings of one question, another for any other question", async (t) => {
  const hash = (name: string, type: number): number | undefined => readPlainQuestion(encodeQuery(1, name, type), 1232)?.hash;
  t.equal(hash("web.default.", 1), hash("WEB.Default.", 1));
  const others = [hash("web.default.", 1), hash("web.default.", 28), hash("we.bdefault.", 1), hash("webdefault.", 1)];
  t.equal(new Set(others).size, 4);
});

t.test("names that differ in more than letter case are not the same", async (t) => {
  const rows: readonly [string, string, boolean][] = [
    ["web.default.", "WEB.Default.", true],
    ["web.default.", "web.defaulT.", true],
    ["web.default.", "we.bdefault.", false],
    ["web.default.", "wea.default.", false],
    ["a[.", "a{.", false],
    ["a@b.", "a`b.", false],
  ];
  for (const [one, other, expected] of rows) {
    const [first, second] = [encodeQuery(1, one, 1), encodeQuery(1, other, 1)];
    t.equal(sameName(first, second, first.length), expected, `${one} ${other}`);
  }
});
