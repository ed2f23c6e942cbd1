// errors: what nobody could answer, one by one or by pattern. Facts: CoreDNS 1.14.7, plugin/errors.
import t from "tap";
import { WEB, webAndDb } from "./objects.ts";
import { refuses, takes, testChain } from "./plugin-harness.ts";

t.test("one by one, or by pattern", async (t) => {
  const rows: readonly [options: string, expected: readonly string[]][] = [
    [
      "",
      [
        "[ERROR] plugin/errors: 2 a.org. A: no network",
        "[ERROR] plugin/errors: 2 b.org. A: no network",
        "[ERROR] plugin/errors: 2 c.com. A: plugin/forward: no next plugin found",
      ],
    ],
    [
      "stacktrace\nconsolidate 5m .*network.*",
      ["[ERROR] plugin/errors: 2 c.com. A", "[ERROR] plugin/errors: 2 errors like '.*network.*' occurred in last 5m0s"],
    ],
    [
      "consolidate 300s no.network warning",
      ["[ERROR] plugin/errors: 2 c.com. A", "[WARNING] plugin/errors: 2 errors like 'no.network' occurred in last 5m0s"],
    ],
    [
      "consolidate 1500ms network info show_first",
      [
        "[INFO] plugin/errors: 2 a.org. A",
        "[ERROR] plugin/errors: 2 c.com. A",
        "[INFO] plugin/errors: 2 errors like 'network' occurred in last 1.5s",
      ],
    ],
    ["consolidate 5m plugin show_first\nconsolidate 1h network", ["[ERROR] plugin/errors: 2 c.com. A"]],
  ];
  for (const [options, expected] of rows) {
    const { ask, clock, lines, chain } = testChain(
      `. {\nerrors {\n${options}\n}\nkubernetes cluster.local\nforward org 127.9.0.1 {\nmax_fails 0\n}\n}`,
      webAndDb,
    );
    for (const name of ["a.org.", "b.org.", "c.com.", "x.default.svc.cluster.local.", WEB]) await ask(name, "A");
    await clock.advance(300_000);
    t.equal(lines.length, expected.length, `${options}: ${lines.join(" | ")}`);
    for (const [index, text] of expected.entries()) t.ok(lines[index]?.startsWith(text), `${options}: ${lines[index]}`);
    chain.close();
    if (options.includes("1h"))
      t.match(lines.at(-1), "2 errors like 'network' occurred in last 1h0m0s", "what is counted is written at the end");
  }
});

t.test("stanzas that are refused", async (t) => {
  refuses(t, [
    ["errors errors.txt", "invalid log file: errors.txt"],
    ["errors a b", "Wrong argument count"],
    ["errors {\n log\n}", "Unknown field log"],
    ["errors {\n consolidate\n}", "Wrong argument count"],
    ["errors {\n consolidate 1m\n}", "Wrong argument count"],
    ["errors {\n consolidate 1 .*\n}", "time: invalid duration"],
    ["errors {\n consolidate 1m [\n}", "invalid regex matching pattern"],
    ["errors {\n consolidate 1m .* loud\n}", "unknown option in consolidate: loud"],
    ["errors {\n consolidate 1m .* info debug\n}", "multiple log levels specified in consolidate"],
    ["errors {\n consolidate 1m .* show_first info\n}", "log level must come before show_first"],
    ["errors {\n consolidate 1m .* info show_first more\n}", "Wrong argument count"],
    ["errors\nerrors", "this plugin can only be used once per Server Block"],
  ]);
});

t.test("stanzas that are taken", async (t) => {
  takes(t, ["errors stdout", "errors {\n consolidate 1m .* error show_first\n}"]);
});
