// forward against servers that answer, fail or are silent, on a clock moved by hand. Facts: CoreDNS 1.14.7, plugin/forward and plugin/pkg/proxy.
import t from "tap";
import type { Query, Rcode, Reply } from "../../dns/message.ts";
import type { Metrics } from "../../dns/metrics.ts";
import { dataText } from "../../dns/record.ts";
import type { VirtualClock } from "../../model/clock.ts";
import { answerTo, query, queryOf, refuses, testChain } from "./plugin-harness.ts";
import type { Exchange } from "./plugin-harness.ts";

/** What a server does: a code, an address to answer, "truncated", "other" (another question), or "dead" (ECONNREFUSED at once). */
type Behaviour = Rcode | "dead" | "truncated" | "other" | `127.${string}`;

interface World {
  readonly clock: VirtualClock;
  readonly metrics: Metrics;
  /** "127.9.0.1 udp a.x. A", in the order of asking. */
  readonly asked: string[];
  readonly behaviours: Map<string, Behaviour>;
  ask(more?: Partial<Query>, name?: string): Promise<string>;
  close(): void;
}

function world(stanza: string, behaviours: Readonly<Record<string, Behaviour>>, rest = ""): World {
  const asked: string[] = [];
  const present = new Map(Object.entries(behaviours));
  const exchange: Exchange = async ({ ip }, message, { tcp }) => {
    const query = queryOf(message, tcp ? "tcp" : "udp");
    const { question, recursionDesired } = query;
    asked.push(`${ip} ${tcp ? "tcp" : "udp"} ${question.name} ${question.type === 2 ? "NS" : "A"}${recursionDesired ? "" : " norec"}`);
    const behaviour = present.get(ip) ?? "dead";
    if (behaviour === "dead") throw new Error("ECONNREFUSED");
    if (behaviour === "other") return answerTo({ ...query, question: { ...question, name: "b." } }, {});
    return answerTo(query, replyOf(behaviour, question.name, tcp));
  };
  const { chain, clock, metrics } = testChain(`. {\nforward ${stanza}\n${rest}\n}`, [], { exchange });
  return {
    ...{ clock, metrics, asked, behaviours: present },
    close: () => chain.close(),
    ask: async (more, name = "a.x.") => {
      const reply = await chain.serve(query(name, "A", more));
      return `${reply.rcode}${reply.tc ? " tc" : ""} ${reply.answers.map(dataText).join()}`.trim();
    },
  };
}

function replyOf(behaviour: Exclude<Behaviour, "dead" | "other">, name: string, tcp: boolean): Partial<Reply> {
  const truncated = behaviour === "truncated";
  if (!truncated && !behaviour.startsWith("127.")) return { rcode: behaviour as Rcode };
  const address = truncated ? "127.1.1.1" : behaviour;
  return {
    tc: truncated && !tcp,
    answers: truncated && !tcp ? [] : [{ name, type: "A", ttl: 5, address }],
  };
}

const TWO = { "127.9.0.1": "127.1.0.1", "127.9.0.2": "127.1.0.2" } as const;
const tcp = { transport: "tcp" } as const;

t.test("one question", async (t) => {
  const rows: readonly [
    stanza: string,
    servers: Readonly<Record<string, Behaviour>>,
    expected: string,
    asked: string,
    more?: Partial<Query>,
  ][] = [
    [". 127.9.0.1", TWO, "NOERROR 127.1.0.1", "127.9.0.1 udp a.x. A"],
    [". 127.9.0.1", TWO, "NOERROR 127.1.0.1", "127.9.0.1 tcp a.x. A", tcp],
    [". 127.9.0.1 {\nprefer_udp\n}", TWO, "NOERROR 127.1.0.1", "127.9.0.1 udp a.x. A", tcp],
    [". 127.9.0.1 {\nforce_tcp\n}", TWO, "NOERROR 127.1.0.1", "127.9.0.1 tcp a.x. A"],
    [". 127.9.0.1 {\nforce_tcp\nprefer_udp\n}", TWO, "NOERROR 127.1.0.1", "127.9.0.1 tcp a.x. A"],
    // A truncated answer is the client's to ask again, except when UDP was forward's own wish.
    [". 127.9.0.1", { "127.9.0.1": "truncated" }, "NOERROR tc", "127.9.0.1 udp a.x. A"],
    [". 127.9.0.1 {\nprefer_udp\n}", { "127.9.0.1": "truncated" }, "NOERROR 127.1.1.1", "127.9.0.1 udp a.x. A, 127.9.0.1 tcp a.x. A"],
    [". 127.9.0.1", { "127.9.0.1": "other" }, "FORMERR", "127.9.0.1 udp a.x. A"],
    [". 127.9.0.1", { "127.9.0.1": "SERVFAIL" }, "SERVFAIL", "127.9.0.1 udp a.x. A"],
    ["x 127.9.0.1 {\nexcept a.x\n}", TWO, "SERVFAIL", ""],
    ["a.x 127.9.0.1 {\nexcept a.x\n}", TWO, "NOERROR 127.1.0.1", "127.9.0.1 udp a.x. A"],
    ["other 127.9.0.1", TWO, "SERVFAIL", ""],
    [
      ". 127.9.0.1 127.9.0.2 {\npolicy sequential\nmax_fails 0\n}",
      { "127.9.0.2": "127.1.0.2" },
      "NOERROR 127.1.0.2",
      "127.9.0.1 udp a.x. A, 127.9.0.2 udp a.x. A",
    ],
    // Two passes, when nobody answers.
    [
      ". 127.9.0.1 127.9.0.2 {\npolicy sequential\nmax_fails 0\n}",
      {},
      "SERVFAIL",
      "127.9.0.1 udp a.x. A, 127.9.0.2 udp a.x. A, 127.9.0.1 udp a.x. A, 127.9.0.2 udp a.x. A",
    ],
    [
      ". 127.9.0.1 127.9.0.2 {\npolicy sequential\nmax_fails 0\nmax_connect_attempts 1\n}",
      TWO,
      "NOERROR 127.1.0.1",
      "127.9.0.1 udp a.x. A",
    ],
    [". 127.9.0.1 127.9.0.2 {\npolicy sequential\nmax_fails 0\nmax_connect_attempts 1\n}", {}, "SERVFAIL", "127.9.0.1 udp a.x. A"],
    [
      ". 127.9.0.1 127.9.0.2 {\npolicy sequential\nfailover SERVFAIL REFUSED\n}",
      { ...TWO, "127.9.0.1": "REFUSED" },
      "NOERROR 127.1.0.2",
      "127.9.0.1 udp a.x. A, 127.9.0.2 udp a.x. A",
    ],
    [
      ". 127.9.0.1 127.9.0.2 {\npolicy sequential\nfailover SERVFAIL\n}",
      { "127.9.0.1": "SERVFAIL", "127.9.0.2": "SERVFAIL" },
      "SERVFAIL",
      "127.9.0.1 udp a.x. A, 127.9.0.2 udp a.x. A",
    ],
    [
      ". 127.9.0.1 {\nnext NXDOMAIN\n}\nforward . 127.9.0.2",
      { ...TWO, "127.9.0.1": "NXDOMAIN" },
      "NOERROR 127.1.0.2",
      "127.9.0.1 udp a.x. A, 127.9.0.2 udp a.x. A",
    ],
    [". 127.9.0.1 {\nnext NXDOMAIN\n}", { "127.9.0.1": "NXDOMAIN" }, "NXDOMAIN", "127.9.0.1 udp a.x. A"],
    [
      ". 127.9.0.1 {\nnext_on_nodata\n}\nforward . 127.9.0.2",
      { ...TWO, "127.9.0.1": "NOERROR" },
      "NOERROR 127.1.0.2",
      "127.9.0.1 udp a.x. A, 127.9.0.2 udp a.x. A",
    ],
    [". 127.9.0.1 127.9.0.1:53", TWO, "NOERROR 127.1.0.1", "127.9.0.1 udp a.x. A"],
  ];
  for (const [stanza, servers, expected, asked, more] of rows) {
    const test = world(stanza, servers);
    t.equal(await test.ask(more), expected, stanza);
    t.equal(test.asked.join(", "), asked, stanza);
    test.close();
  }
});

t.test("policies", async (t) => {
  const three = { ...TWO, "127.9.0.3": "127.1.0.3" } as const;
  const firsts = async (policy: string, count: number): Promise<string> => {
    const test = world(`. 127.9.0.1 127.9.0.2 127.9.0.3 {\npolicy ${policy}\n}`, three);
    const answers: string[] = [];
    for (let i = 0; i < count; i++) answers.push((await test.ask()).slice(-1));
    return answers.join("");
  };
  t.equal(await firsts("sequential", 4), "1111");
  t.equal(await firsts("round_robin", 5), "23123");
  const random = await firsts("random", 300);
  for (const digit of "123") t.ok(random.split(digit).length > 70, `${digit} is asked about as often as the others`);
});

t.test("a server that fails is probed until it answers, and left out after more than max_fails", async (t) => {
  const test = world(". 127.9.0.1 127.9.0.2 {\npolicy sequential\nmax_fails 2\n}", { "127.9.0.2": "127.1.0.2" });
  t.equal(await test.ask(), "NOERROR 127.1.0.2");
  t.strictSame(test.asked.splice(0), ["127.9.0.1 udp a.x. A", "127.9.0.1 udp . NS", "127.9.0.2 udp a.x. A"]);
  await test.clock.advance(999);
  t.strictSame(test.asked.splice(0), ["127.9.0.1 udp . NS"], "every half second");
  t.equal(await test.ask(), "NOERROR 127.1.0.2");
  t.strictSame(test.asked.splice(0), ["127.9.0.1 udp a.x. A", "127.9.0.2 udp a.x. A"], "two failures are not more than two");
  await test.clock.advance(1);
  test.asked.length = 0;
  t.equal(await test.ask(), "NOERROR 127.1.0.2");
  t.strictSame(test.asked.splice(0), ["127.9.0.2 udp a.x. A"], "three are");
  test.behaviours.set("127.9.0.1", "REFUSED");
  await test.clock.advance(500);
  test.asked.length = 0;
  t.equal(await test.ask(), "REFUSED", "any code is a sign of life");
  await test.clock.advance(5000);
  t.strictSame(test.asked, ["127.9.0.1 udp a.x. A"], "and the probes are over");
  const text = test.metrics.text();
  t.match(text, 'coredns_forward_healthcheck_failures_total{to="127.9.0.1:53"} 3');
  t.match(text, 'coredns_proxy_healthcheck_failures_total{proxy_name="forward",to="127.9.0.1:53"} 3');
  t.match(text, 'coredns_forward_requests_total{to="127.9.0.1:53"} 3');
  t.match(text, 'coredns_forward_responses_total{to="127.9.0.2:53",rcode="NOERROR"} 3');
  t.match(text, 'coredns_proxy_request_duration_seconds_count{proxy_name="forward",to="127.9.0.1:53",rcode="REFUSED"} 1');
  test.close();
});

t.test("probes as told, and none after the end", async (t) => {
  const probes: readonly [options: string, expected: readonly string[]][] = [
    ["health_check 1s", ["127.9.0.1 udp . NS", "127.9.0.1 udp . NS"]],
    ["health_check 600ms no_rec domain Example.org", ["127.9.0.1 udp example.org. NS norec", "127.9.0.1 udp example.org. NS norec"]],
    ["force_tcp\nhealth_check 900ms", ["127.9.0.1 tcp . NS", "127.9.0.1 tcp . NS"]],
    ["max_fails 0", []],
  ];
  for (const [options, expected] of probes) {
    const test = world(`. 127.9.0.1 {\n${options}\nmax_connect_attempts 1\n}`, {});
    await test.ask();
    await test.clock.advance(1100);
    t.strictSame(test.asked.slice(1), expected, options);
    test.close();
    test.asked.length = 0;
    await test.clock.advance(5000);
    t.strictSame(test.asked, [], "closed");
  }
});

t.test("all are down: one at random is tried, or none", async (t) => {
  for (const [option, tried, broken] of [
    ["max_fails 1", 1, 1],
    ["max_fails 1\nfailfast_all_unhealthy_upstreams", 0, 1],
  ] as const) {
    const test = world(`. 127.9.0.1 127.9.0.2 {\n${option}\n}`, {});
    await test.ask();
    await test.clock.advance(2000);
    test.asked.length = 0;
    t.equal(await test.ask(), "SERVFAIL");
    t.equal(test.asked.length, tried, option);
    t.match(test.metrics.text(), `coredns_forward_healthcheck_broken_total ${broken}`);
    test.close();
  }
});

t.test("log tells which server was asked, and none for what cache remembers", async (t) => {
  const exchange: Exchange = async ({ ip }, message) => {
    if (ip === "127.9.0.2") throw new Error("ECONNREFUSED");
    const query = queryOf(message);
    return answerTo(query, replyOf("127.1.0.1", query.question.name, false));
  };
  const blocks = (server: string): string =>
    `. {\nmetadata\nlog . "{/forward/upstream} {rcode}"\ncache\nforward . ${server} {\nmax_fails 0\n}\n}`;
  const logged = async (server: string): Promise<readonly string[]> => {
    const { ask, lines } = testChain(blocks(server), [], { exchange });
    await ask("a.x.", "A");
    await ask("a.x.", "A");
    return lines;
  };
  t.strictSame(await logged("127.9.0.1"), ["[INFO] 127.9.0.1:53 NOERROR", "[INFO] - NOERROR"]);
  // Nothing was written, so there is nothing to remember.
  t.strictSame(await logged("127.9.0.2:5353"), ["[INFO] 127.9.0.2:5353 SERVFAIL", "[INFO] 127.9.0.2:5353 SERVFAIL"]);
});

t.test("more than max_concurrent at once are REFUSED", async (t) => {
  const test = world(". 127.9.0.1 {\nmax_concurrent 2\n}", TWO);
  const all = await Promise.all([test.ask(), test.ask(), test.ask()]);
  t.strictSame(all, ["NOERROR 127.1.0.1", "NOERROR 127.1.0.1", "REFUSED"]);
  t.equal(await test.ask(), "NOERROR 127.1.0.1", "and then there is room again");
  t.match(test.metrics.text(), "coredns_forward_max_concurrent_rejects_total 1");
});

const faults: readonly [stanza: string, message: string][] = [
  [".", "Wrong argument count or unexpected line ending after '.'"],
  [". a27.0.0.1", 'failed to resolve "a27.0.0.1": lookup a27.0.0.1: no such host'],
  [". a..b", 'not an IP address, file, or valid domain: "a..b"'],
  [". /empty", "no valid upstream addresses found"],
  [". 127.0.0.1:99999", 'not an IP address or file: "127.0.0.1:99999"'],
  [". tls://127.0.0.1", "only plain DNS upstreams are supported"],
  [". /nowhere", 'failed to resolve "/nowhere"'],
  [`${"x".repeat(64)} 127.0.0.1`, "unable to normalize"],
  [`. ${Array.from({ length: 16 }, (_, i) => `127.0.0.${i + 1}`).join(" ")}`, "more than 15 TOs configured: 16"],
  [". 127.0.0.1 {\nblaatl\n}", "unknown property 'blaatl'"],
  [". 127.0.0.1 {\nexcept\n}", "Wrong argument count or unexpected line ending after 'except'"],
  [". 127.0.0.1 {\nforce_tcp now\n}", "Wrong argument count"],
  [". 127.0.0.1 {\nprefer_udp now\n}", "Wrong argument count"],
  [". 127.0.0.1 {\nhealth_check 0.5s domain\n}", "Wrong argument count or unexpected line ending after 'domain'"],
  [". 127.0.0.1 {\nhealth_check 0.5s domain a..b\n}", "health_check: invalid domain name a..b"],
  [". 127.0.0.1 {\nhealth_check 0.5s often\n}", "health_check: unknown option often"],
  [". 127.0.0.1 {\nhealth_check -1s\n}", "health_check can't be negative: -1000000000"],
  [". 127.0.0.1 {\nread_timeout 0s\n}", "read_timeout must be positive: 0s"],
  [". 127.0.0.1 {\nmax_fails many\n}", 'strconv.ParseUint: parsing "many": invalid syntax'],
  [". 127.0.0.1 {\nmax_fails -1\n}", 'strconv.ParseUint: parsing "-1": invalid syntax'],
  [". 127.0.0.1 {\nmax_connect_attempts 4294967296\n}", 'strconv.ParseUint: parsing "4294967296": value out of range'],
  [". 127.0.0.1 {\nread_timeout -1m\n}", "read_timeout must be positive: -1m0s"],
  [". 127.0.0.1 {\nmax_concurrent many\n}", 'strconv.Atoi: parsing "many": invalid syntax'],
  [". 127.0.0.1 {\nexpire -1s\n}", "expire can't be negative: -1s"],
  [". 127.0.0.1 {\nexpire\n}", "Wrong argument count or unexpected line ending after 'expire'"],
  [". 127.0.0.1 {\nmax_age soon\n}", "soon"],
  [". 127.0.0.1 {\nmax_age 5s\n}", "max_age (5s) must not be less than expire (10s)"],
  [". 127.0.0.1 {\nmax_age 10s\nexpire 11s\n}", "max_age (10s) must not be less than expire (11s)"],
  [". 127.0.0.1 {\nmax_idle_conns -1\n}", "max_idle_conns can't be negative: -1"],
  [". 127.0.0.1 {\nmax_concurrent -4\n}", "max_concurrent can't be negative: -4"],
  [". 127.0.0.1 {\npolicy best\n}", "unknown policy 'best'"],
  [". 127.0.0.1 {\npolicy\n}", "Wrong argument count or unexpected line ending after 'policy'"],
  [". 127.0.0.1 {\nfailover NOERROR\n}", "NoError cannot be used in failover"],
  [". 127.0.0.1 {\nfailover WHAT\n}", "WHAT is not a valid rcode"],
  [". 127.0.0.1 {\nnext\n}", "Wrong argument count"],
];

t.test("stanzas that are refused", async (t) => {
  const files = { "/empty": "# nameserver 127.9.0.1\n" };
  refuses(
    t,
    faults.map(([stanza, message]) => [`forward ${stanza}`, message]),
    { files },
  );
});
