// transfer: who is given a whole zone, and what is told of it. Facts: CoreDNS 1.14.7, plugin/transfer.
import t from "tap";
import type { Query } from "../../dns/message.ts";
import { webAndDb } from "./objects.ts";
import { answerData, refuses, takes, testChain } from "./plugin-harness.ts";

const rows: readonly [stanzas: string, name: string, type: string, expected: string, more?: Partial<Query>][] = [
  ["kubernetes cluster.local", "cluster.local.", "AXFR", "REFUSED", { transport: "tcp" }],
  ["kubernetes cluster.local\ntransfer {\n to *\n}", "cluster.local.", "AXFR", "REFUSED"],
  ["kubernetes cluster.local\ntransfer {\n to 127.5.5.5\n}", "cluster.local.", "AXFR", "REFUSED", { transport: "tcp" }],
];

t.test("answers", async (t) => {
  for (const [stanzas, name, type, expected, more] of rows) {
    const { ask } = testChain(`. {\n${stanzas}\n}`, webAndDb);
    t.equal(answerData(await ask(name, type, more)), expected, `${name} ${type} with ${stanzas.replaceAll("\n", "; ")}`);
  }
});

t.test("transfer tells what it has sent", async (t) => {
  const corefile = ". {\ntransfer {\nto *\n}\nkubernetes cluster.local\n}";
  const { ask, lines, zone } = testChain(corefile, webAndDb);
  const whole = await ask("cluster.local.", "AXFR", { transport: "tcp" });
  const current = await ask("cluster.local.", "IXFR", { transport: "tcp", ixfrSerial: zone.serial });
  t.strictSame([whole.aa, current.aa, current.answers.length], [true, false, 1]);
  t.strictSame(lines, [
    `[INFO] plugin/transfer: Outgoing transfer of ${whole.answers.length} records of zone "cluster.local." to 127.244.1.9 for 3 SOA serial`,
    '[INFO] plugin/transfer: Outgoing noop, incremental transfer for up to date zone "cluster.local." to 127.244.1.9 for 3 SOA serial',
  ]);
});

t.test("stanzas that are refused", async (t) => {
  refuses(t, [
    ["transfer", "'to' is required"],
    ["transfer {\n to\n}", "Wrong argument count"],
    ["transfer {\n to nowhere\n}", 'not an IP address or file: "nowhere"'],
    ["transfer {\n to *\n source x\n}", 'invalid source address "x"'],
    ["transfer {\n to *\n source ::1\n source ::1\n}", "source already specified"],
    ["transfer {\n from *\n}", 'unknown property "from"'],
  ]);
});

t.test("stanzas that are taken", async (t) => {
  takes(t, ["transfer example.net {\n to 1.2.3.4 5.6.7.8:1053 [1::2]:34 *\n}\ntransfer example.org {\n to *\n}"]);
});
