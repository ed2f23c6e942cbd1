// Bytes in and out: what is refused, what is echoed, what fits, and that dns2 reads what encode.ts writes.
import { Packet } from "dns2";
import fc from "fast-check";
import t from "tap";
import { decodeQuery, decodeReply } from "../../dns/decode.ts";
import { encodeQuery, encodeReply } from "../../dns/encode.ts";
import { KeptAnswers } from "../../dns/kept-answers.ts";
import { emptyReply } from "../../dns/message.ts";
import type { Edns, Reply } from "../../dns/message.ts";
import { plainQuery, readPlainQuestion } from "../../dns/plain-question.ts";
import { dataText, zoneLine } from "../../dns/record.ts";
import type { ResourceRecord } from "../../dns/record.ts";
import type { DnsServer } from "../../dns/server.ts";
import type { Zone } from "../../dns/zone.ts";
import { VirtualClock } from "../../model/clock.ts";
import { seededRandom } from "../../model/random.ts";
import { namespace, service, slice } from "./objects.ts";
import { query, testChain, testServer } from "./plugin-harness.ts";

const client = { ip: "127.244.1.9", port: 40_000 };
const SEED = 20_241_121;
const COREFILE = ".:53 {\n kubernetes cluster.local in-addr.arpa\n cache 30\n loadbalance\n}\n";
const pods = Array.from({ length: 40 }, (_, i) => `127.244.1.${i + 1}`);
const objects = [
  namespace("default"),
  service("default/web", "127.96.0.12", "http:80/TCP"),
  service("default/db", "None"),
  slice("default/db", pods, { name: "sql", port: 5432 }),
];

function serverFor(corefile = COREFILE): {
  readonly clock: VirtualClock;
  ask(message: Buffer, transport?: "udp" | "tcp"): Buffer | undefined;
  readonly server: DnsServer;
  readonly zone: Zone;
} {
  const { clock, zone, server } = testServer(corefile, objects);
  const ask = (message: Buffer, transport: "udp" | "tcp" = "udp"): Buffer | undefined => {
    let answer: Buffer | undefined;
    server.serve(message, { transport, client, port: 53 }, (bytes) => (answer = bytes));
    return answer;
  };
  return { clock, ask, server, zone };
}
const asked = (name: string, type: number, options?: Parameters<typeof encodeQuery>[3]): Buffer => encodeQuery(4242, name, type, options);
const header = (message: Buffer | undefined): string => message?.subarray(0, 4).toString("hex") ?? "nothing";
const edns = (more: Partial<Edns> = {}): Edns => ({ udpSize: 1232, version: 0, do: false, options: [], ...more });
/** A query with a hand-made OPT record. */
function withOpt(message: Buffer, { udpSize, version, do: dnssec, options }: Edns): Buffer {
  const rdata = Buffer.concat(
    options.map(({ code, data }) => Buffer.concat([Buffer.from([code >> 8, code & 255, data.length >> 8, data.length & 255]), data])),
  );
  const opt = Buffer.from([0, 0, 41, udpSize >> 8, udpSize & 255, 0, version, dnssec ? 0x80 : 0, 0, rdata.length >> 8, rdata.length & 255]);
  const whole = Buffer.concat([message, opt, rdata]);
  whole.writeUInt16BE(1, 10);
  return whole;
}

t.test("messages that are no questions", async (t) => {
  const { ask } = serverFor();
  const good = asked("web.default.svc.cluster.local.", 1);
  const edited = (offset: number, ...bytes: readonly number[]): Buffer =>
    Buffer.concat([good.subarray(0, offset), Buffer.from(bytes), good.subarray(offset + bytes.length)]);
  const rows: readonly [string, Buffer, string][] = [
    ["a whole question", good, "10928500"],
    ["eleven bytes", good.subarray(0, 11), "nothing"],
    ["a response", edited(2, 0x81), "nothing"],
    ["header only, one question promised", good.subarray(0, 12), "10928101"],
    ["cut in the name", good.subarray(0, 20), "10928101"],
    ["no question", edited(4, 0, 0), "10928101"],
    ["two questions", edited(4, 0, 2), "10928101"],
    ["opcode STATUS", edited(2, 0x11), "10929104"],
    ["opcode UPDATE", edited(2, 0x29), "1092a904"],
    ["a pointer to itself", Buffer.concat([good.subarray(0, 12), Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]), "10928101"],
    [
      "two pointers at each other",
      Buffer.concat([good.subarray(0, 12), Buffer.from([1, 97, 0xc0, 0x10, 1, 98, 0xc0, 0x0c, 0, 1, 0, 1])]),
      "10928101",
    ],
    ["a pointer beyond the end", Buffer.concat([good.subarray(0, 12), Buffer.from([0xc3, 0xff, 0, 1, 0, 1])]), "10928101"],
    ["a reserved label type", edited(12, 0x83), "10928101"],
    [
      "a name of 255 bytes",
      Buffer.concat([
        good.subarray(0, 12),
        ...[63, 63, 63, 61].map((length) => Buffer.concat([Buffer.from([length]), Buffer.alloc(length, 97)])),
        Buffer.from([0, 0, 1, 0, 1]),
      ]),
      "10928102",
    ],
    ["three additional records promised", edited(10, 0, 3), "10928101"],
    ["an OPT cut short", edited(10, 0, 1), "10928101"],
    ["class CH", edited(good.length - 2, 0, 3), "10928105"],
    [
      "a name of 256 bytes",
      Buffer.concat([
        good.subarray(0, 12),
        ...Array.from({ length: 4 }, () => Buffer.concat([Buffer.from([63]), Buffer.alloc(63, 97)])),
        Buffer.from([0, 0, 1, 0, 1]),
      ]),
      "10928101",
    ],
  ];
  for (const [name, message, expected] of rows) t.ok(header(ask(message)).startsWith(expected), `${name}: ${header(ask(message))}`);
  t.match(decodeReply(ask(edited(13, 0x2e)) ?? Buffer.alloc(0)).rcode, /NXDOMAIN/, "a dot inside a label is part of it");
});

t.test("EDNS", async (t) => {
  const name = "web.default.svc.cluster.local.";
  const cookie = { code: 10, data: Buffer.from("0011223344556677", "hex") };
  const { ask } = serverFor();
  t.equal(decodeReply(ask(withOpt(asked(name, 1), edns({ version: 1 }))) ?? Buffer.alloc(0)).rcode, "BADVERS");
  // plugin/pkg/edns edns.go: an OPT record of the server's own, without size, bits and options.
  t.match(ask(withOpt(asked(name, 1), edns({ version: 1, do: true, options: [cookie] })))?.toString("hex"), /0000290000010000000000$/);
  // CoreDNS core/dnsserver: the class is looked at first.
  const chaos = withOpt(asked(name, 1), edns({ version: 1 }));
  chaos[12 + name.length + 1 + 3] = 3;
  t.equal(decodeReply(ask(chaos) ?? Buffer.alloc(0)).rcode, "REFUSED");
  for (const pass of ["decoded", "cached", "kept"]) {
    const answer = ask(
      withOpt(
        asked(name, 1),
        edns({
          udpSize: 4096,
          do: true,
          options: [
            cookie,
            { code: 15, data: Buffer.from([0, 0]) },
            { code: 8, data: Buffer.from("0001200000000000", "hex").subarray(0, 8) },
          ],
        }),
      ),
    );
    t.ok(
      answer?.toString("hex").endsWith("000029100000008000000c000a00080011223344556677"),
      `${pass}: size, DO and cookie echoed, the rest not, and OPT last`,
    );
  }
  const limited = serverFor(COREFILE.replace("cache 30", "bufsize 1024"));
  const answer = limited.ask(withOpt(asked(name, 1), edns({ udpSize: 1152 })));
  t.ok(answer?.toString("hex").endsWith("0000290400000000000000"), "bufsize lowers what is advertised");
  t.equal(header(ask(asked(name, 1))).slice(0, 5), "10928", "no OPT without one");
  t.equal(ask(asked(name, 1))?.readUInt16BE(10), 0);
});

t.test("sizes", async (t) => {
  const { ask } = serverFor();
  const name = "db.default.svc.cluster.local.";
  const small = ask(asked(name, 1)) ?? Buffer.alloc(0);
  t.ok(small.length <= 512, `${small.length} bytes without EDNS`);
  t.strictSame([decodeReply(small).truncated, decodeReply(small).answers.length], [true, 29], "keeps what fits and says so");
  t.equal(decodeReply(ask(asked(name, 1, { udpSize: 1232 })) ?? Buffer.alloc(0)).answers.length, 40);
  t.equal(decodeReply(ask(asked(name, 1, { udpSize: 100 })) ?? Buffer.alloc(0)).truncated, true, "less than 512 counts as 512");
  t.equal(decodeReply(ask(asked(name, 1), "tcp") ?? Buffer.alloc(0)).answers.length, 40);
  const thirty: Reply = {
    ...emptyReply("NOERROR", "test", ""),
    answers: pods.slice(0, 30).map((address) => ({ name: "web.x.", type: "A", ttl: 5, address })),
  };
  const encoded = encodeReply(query("web.x.", "A"), thirty);
  t.ok(encoded.bytes.length < 512 && !encoded.truncated);
  t.equal(encoded.bytes.toString("latin1").split("\xc0\x0c").length - 1, 30, "every owner is a pointer to the question");
  const srv: Reply = {
    ...emptyReply("NOERROR", "test", ""),
    answers: Array.from({ length: 199 }, (_, i) => ({
      name: "web.x.",
      type: "SRV",
      ttl: 5,
      priority: 0,
      weight: 1,
      port: i,
      target: `p${i}.web.x.`,
    })),
  };
  const cut = encodeReply(query("web.x.", "SRV"), srv).bytes;
  t.ok(cut.length <= 512 && decodeReply(cut).truncated);
  t.ok(cut.includes(Buffer.from("\x02p0\x03web\x01x\0", "latin1")), "SRV targets are not compressed");
});

t.test("kept answers", async (t) => {
  const { ask, clock, server } = serverFor();
  const name = "db.default.svc.cluster.local.";
  const first = ask(asked(name, 1, { udpSize: 1232 }));
  t.equal(server.keptCount, 0, "a name asked once is not worth it");
  const second = ask(asked(name, 1, { udpSize: 1232 }));
  t.equal(server.keptCount, 1);
  const orders = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const answer = decodeReply(ask(encodeQuery(i, i % 2 ? name : name.toUpperCase(), 1, { udpSize: 1232 })) ?? Buffer.alloc(0));
    t.equal(answer.id, i);
    t.equal(answer.question?.name, i % 2 ? name : name.toUpperCase(), "letter case is the question's");
    const addresses = answer.answers.map((record) => (record.type === "A" ? record.address : ""));
    t.strictSame([...addresses].sort(), [...pods].sort());
    orders.add(addresses.join());
  }
  t.ok(orders.size > 15, "and shuffled each time");
  // Places of 40 addresses, 2000 times: 50 of each in each place, give or take six standard deviations.
  const seen = new Map<string, number>();
  const firstAt = 12 + name.length + 1 + 4 + 12;
  for (let i = 0; i < 2000; i++) {
    const answer = ask(asked(name, 1, { udpSize: 1232 })) ?? Buffer.alloc(0);
    for (const place of [0, 1, 38, 39]) {
      const key = `${place} ${answer.toString("hex", firstAt + place * 16, firstAt + place * 16 + 4)}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
  }
  t.equal(seen.size, 4 * 40);
  t.ok(
    [...seen.values()].every((count) => count > 8 && count < 92),
    `each as likely: ${Math.min(...seen.values())} … ${Math.max(...seen.values())}`,
  );
  t.equal(decodeReply(first ?? Buffer.alloc(0)).answers[0]?.ttl, 5);
  await clock.advance(3000);
  t.equal(decodeReply(ask(asked(name, 1, { udpSize: 1232 })) ?? Buffer.alloc(0)).answers[0]?.ttl, 2, "TTLs age");
  t.equal(decodeReply(second ?? Buffer.alloc(0)).answers[0]?.ttl, 5, "and not those already given");
  const cuts = Array.from({ length: 20 }, () => ask(asked(name, 1)) ?? Buffer.alloc(0));
  for (const cut of cuts) {
    const decoded = decodeReply(cut);
    const addresses = decoded.answers.map((record) => (record.type === "A" ? record.address : ""));
    t.strictSame([decoded.truncated, addresses.length, new Set(addresses).size], [true, 29, 29], "what does not fit is left out");
    t.ok(addresses.every((address) => pods.includes(address)) && cut.length <= 512);
  }
  t.equal(new Set(cuts.flatMap((cut) => decodeReply(cut).answers.map(dataText))).size, 40, "and each time others");
  t.equal(decodeReply(ask(encodeQuery(1, name, 65)) ?? Buffer.alloc(0)).answers.length, 0, "another type is another question");
});

t.test("two questions with one hash never share an answer", async (t) => {
  const kept = new KeptAnswers({
    clock: new VirtualClock(),
    random: seededRandom("kept"),
    zone: testChain(COREFILE, objects).zone,
    shuffle: false,
  });
  const messages = [
    asked("web.default.svc.cluster.local.", 1),
    asked("wxb.default.svc.cluster.local.", 1),
    asked("web.default.svc.cluster.local.", 28),
  ];
  const [one, ...others] = messages.map((message) => {
    const plain = readPlainQuestion(message, 1232);
    return { message, plain: plain && { ...plain, hash: 7 } };
  });
  if (!one?.plain) throw new Error("not plain");
  const of = plainQuery(one.message, one.plain, "udp", client);
  const reply: Reply = {
    ...emptyReply("NOERROR", "test", ""),
    zone: "cluster.local.",
    answers: [{ name: of.name, type: "A", ttl: 5, address: "127.96.0.12" }],
  };
  kept.put(one.plain, of, reply, encodeReply(of, reply), 60);
  t.ok(kept.find(one.message, one.plain));
  for (const { message, plain } of others) t.notOk(plain && kept.find(message, plain));
});

t.test("without cache, a change of the zone drops what was kept", async (t) => {
  const { ask, server, zone } = serverFor(".:53 {\n kubernetes cluster.local\n}\n");
  const addresses = (): readonly string[] =>
    decodeReply(ask(asked("web.default.svc.cluster.local.", 1)) ?? Buffer.alloc(0)).answers.map((each) =>
      each.type === "A" ? each.address : "",
    );
  t.strictSame(addresses(), ["127.96.0.12"]);
  t.equal(server.keptCount, 1);
  const moved = service("default/web", "127.96.0.99", "http:80/TCP");
  zone.apply({ type: moved, key: "default/web", object: moved }, 0);
  t.strictSame(addresses(), ["127.96.0.99"]);
  const denied = ask(asked("new.default.svc.cluster.local.", 28));
  t.equal(decodeReply(denied ?? Buffer.alloc(0)).rcode, "NXDOMAIN");
  const created = service("default/new", "127.96.0.98", "http:80/TCP");
  zone.apply({ type: created, key: "default/new", object: created }, 0);
  t.equal(decodeReply(ask(asked("new.default.svc.cluster.local.", 28)) ?? Buffer.alloc(0)).rcode, "NOERROR", "NODATA now");
});

const label = fc.stringMatching(/^[a-z0-9_][-a-z0-9]{0,12}$/);
const name = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => `${labels.join(".")}.`);
const u16 = fc.integer({ min: 0, max: 65_535 });
const ttl = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const record: fc.Arbitrary<ResourceRecord> = fc.oneof(
  fc.record({ name, ttl, type: fc.constant("A" as const), address: fc.ipV4() }),
  fc.record({ name, ttl, type: fc.constantFrom("CNAME" as const, "PTR" as const, "NS" as const), target: name }),
  fc.record({ name, ttl, type: fc.constant("SRV" as const), priority: u16, weight: u16, port: u16, target: name }),
  fc.record({ name, ttl, type: fc.constant("MX" as const), preference: u16, exchange: name }),
  fc.record({
    name,
    ttl,
    type: fc.constant("TXT" as const),
    strings: fc.array(fc.stringMatching(/^[ -~]{0,40}$/), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    name,
    ttl,
    type: fc.constant("SOA" as const),
    mname: name,
    rname: name,
    serial: ttl,
    refresh: ttl,
    retry: ttl,
    expire: ttl,
    minimum: ttl,
  }),
);

t.test("dns2 reads what encode.ts writes", async (t) => {
  fc.assert(
    fc.property(
      name,
      fc.array(record, { maxLength: 20 }),
      fc.array(record, { maxLength: 4 }),
      fc.array(record, { maxLength: 8 }),
      (owner, answers, authorities, additionals) => {
        const reply: Reply = { rcode: "NOERROR", answers, authorities, additionals, aa: true, why: [] };
        const { bytes } = encodeReply(query(owner, "A", { edns: edns() }), reply, 65_535);
        const packet = Packet.parse(bytes);
        if (packet.errors.length > 0) throw packet.errors[0];
        const decoded = decodeReply(bytes);
        const lines = (records: readonly ResourceRecord[]): string => records.map(zoneLine).join("\n");
        return (
          lines(decoded.answers) === lines(answers) &&
          lines(decoded.authorities) === lines(authorities) &&
          lines(decoded.additionals) === lines(additionals)
        );
      },
    ),
    { seed: SEED, numRuns: 300 },
  );
  t.pass();
});

t.test("any bytes: no crash, no answer longer than allowed, always the question's id", async (t) => {
  const { ask } = serverFor();
  const seeds = [
    asked("web.default.svc.cluster.local.", 1),
    withOpt(asked("db.default.svc.cluster.local.", 33), edns({ options: [{ code: 10, data: Buffer.alloc(8) }] })),
  ];
  const mutated = fc
    .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat({ max: 80 }), fc.nat({ max: 255 })), { maxLength: 6 }), fc.nat({ max: 90 }))
    .map(([seed, edits, cut]) => {
      const bytes = Buffer.from(seed);
      for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
      return bytes.subarray(0, Math.max(0, bytes.length - (cut > 45 ? cut - 45 : 0)));
    });
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 600 }).map((data) => Buffer.from(data)),
    mutated,
  );
  fc.assert(
    fc.property(bytes, (message) => {
      const answer = ask(message);
      const decoded = decodeQuery(message, "udp", client);
      if (answer === undefined) return decoded.type === "drop";
      const limit = decoded.type === "query" ? Math.max(512, decoded.query.edns?.udpSize ?? 512) : 12;
      return answer.length <= limit && answer.readUInt16BE(0) === message.readUInt16BE(0) && (answer.readUInt8(2) & 0x80) !== 0;
    }),
    { seed: Number(process.env["FUZZ_SEED"] ?? SEED), numRuns: Number(process.env["FUZZ_RUNS"] ?? 4000) },
  );
  t.pass();
});
