// bind and debug: which blocks a pod's clients reach, what may stand side by side, and what is logged. Facts: CoreDNS 1.14.7, plugin/bind,
// plugin/debug, core/dnsserver address.go and register.go with their tests.
import t from "tap";
import { faultOf, testChain } from "./plugin-harness.ts";

const OWN = ["127.244.0.2", "fd00::2"];
const refusal = (corefile: string): string => faultOf(corefile, { serverIPs: OWN }).replace(/^.* - Error during parsing: /, "");

t.test("who is reached", async (t) => {
  const block = (bind: string, name: string): string => `.:53 {\n${bind}\nchaos ${name}\n}\n`;
  const rows: readonly [corefile: string, expected: string, ports: readonly number[]][] = [
    [block("bind 127.244.0.2", "own"), "own", [53]],
    [block("bind FD00:0:0::2", "own"), "own", [53]],
    [block("bind 0.0.0.0", "any"), "any", [53]],
    [block("bind ::", "any"), "any", [53]],
    [block("bind eth0", "any"), "any", [53]],
    [block("bind lo", "loopback"), "nobody", []],
    [block("bind 127.0.0.1 ::1", "loopback"), "nobody", []],
    [block("bind 127.0.0.1\nbind 127.244.0.2", "own"), "own", [53]],
    [block("bind lo 127.244.0.2 {\nexcept 127.244.0.2\n}", "loopback"), "nobody", []],
    [block("bind lo", "loopback") + block("bind 127.244.0.2", "own"), "own", [53]],
    [`${block("bind lo", "loopback")}.:1053 {\nwhoami\n}`, "nobody", [1053]],
  ];
  for (const [corefile, expected, ports] of rows) {
    const { chain, ask } = testChain(corefile, [], { serverIPs: OWN });
    t.strictSame(chain.ports, ports, corefile);
    const { answers } = await ask("version.bind.", "TXT", { question: { name: "version.bind.", type: 16, class: 3 } });
    const [record] = answers;
    t.equal(record?.type === "RAW" ? Buffer.from(record.data).toString().slice(1) : "nobody", expected, corefile);
  }
});

t.test("what is told of it", (t) => {
  const corefile = "b.example a.example {\nbind 127.244.0.2 127.0.0.1\nprometheus\nwhoami\n}\nc.example:53 {\nwhoami\n}";
  const { chain, metrics } = testChain(corefile, [], { serverIPs: OWN });
  t.equal(
    chain.banner,
    "a.example.:53 on 127.244.0.2\nb.example.:53 on 127.244.0.2\na.example.:53 on 127.0.0.1\nb.example.:53 on 127.0.0.1\nc.example.:53\n",
  );
  t.match(metrics.text(), 'coredns_plugin_enabled{server="dns://127.244.0.2:53",zone="b.example.",view="",name="whoami"} 1');
  t.end();
});

t.test("side by side", (t) => {
  const dns = (...keys: readonly string[]): string =>
    keys
      .map((key) => key.split(" "))
      .map(([zone = "", host]) => `${zone} {\n${host ? `bind ${host}\n` : ""}whoami\n}`)
      .join("\n");
  const rows: readonly [corefile: string, expected: string][] = [
    [dns(".:53", ".:53"), "cannot serve dns://.:53 - it is already defined"],
    [dns(".:53", ".:54", ".:53 127.0.0.1"), "cannot serve dns://.:53 on 127.0.0.1 - zone overlap listener capacity with dns://.:53"],
    [dns(".:53 127.0.0.1", ".:54", ".:53 127.0.0.1"), "cannot serve dns://.:53 on 127.0.0.1 - it is already defined"],
    [
      dns(".:53 127.0.0.1", ".:53 127.244.0.2", ".:53 ::1", ".:53"),
      "cannot serve dns://.:53 - zone overlap listener capacity with dns://.:53 on ::1",
    ],
    [
      dns(".:53 127.0.0.1", "com:53 127.0.0.1", "com:53"),
      "cannot serve dns://com.:53 - zone overlap listener capacity with dns://com.:53 on 127.0.0.1",
    ],
    [dns(".:53 127.0.0.1", ".:53 127.244.0.2", "com:53"), ""],
    [".:53 {\nbind\n}", "at least one address or interface name is expected"],
    [".:53 {\nbind 1.2.3.invalid\n}", 'not a valid IP address or interface name: "1.2.3.invalid"'],
    [".:53 {\nbind ::1 127.9.9.0 noone\n}", 'not a valid IP address or interface name: "noone"'],
    [".:53 {\nbind lo {\nexcept\n}\n}", "at least one address or interface must be given to except subdirective"],
    [".:53 {\nbind lo {\nbut 127.0.0.1\n}\n}", 'invalid option "but"'],
    [".:53 {\nbind 127.244.0.3\n}", "listen tcp 127.244.0.3:53: bind: cannot assign requested address"],
    [".:53 {\nbind fd00::3\n}", "listen tcp [fd00::3]:53: bind: cannot assign requested address"],
    [".:53 {\ndebug on\n}", "Wrong argument count or unexpected line ending after 'on'"],
    [".:53 {\ndebug\ndebug\n}", ""],
  ];
  for (const [corefile, expected] of rows) t.equal(refusal(corefile), expected, corefile);
  t.end();
});

t.test("level debug is logged with debug in any block", async (t) => {
  const errors = "errors {\nconsolidate 1m .* debug show_first\n}";
  for (const [corefile, expected] of [
    [`. {\n${errors}\nhosts /f\n}`, []],
    [
      `. {\n${errors}\nhosts /f\n}\nx {\ndebug\n}`,
      ["[DEBUG] plugin/hosts: Parsed hosts file into 2 entries", "[DEBUG] plugin/errors: 2 errors like '.*' occurred in last 1m0s"],
    ],
  ] as const) {
    const { ask, clock, lines } = testChain(corefile, [], { files: { "/f": "127.0.0.1 a.example\n" } });
    for (let i = 0; i < 2; i++) await ask("a.", "PTR");
    await clock.advance(60_000);
    t.strictSame(
      lines.filter((line) => !line.includes("no next plugin")),
      expected,
    );
  }
});
