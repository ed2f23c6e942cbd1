// autopath: the search path walked on the server. Facts: CoreDNS 1.14.7, plugin/autopath.
import t from "tap";
import type { Reply } from "../../dns/message.ts";
import type { ResourceRecord } from "../../dns/record.ts";
import { clientPod, webAndDb } from "./objects.ts";
import { answerData, answering, refuses, takes, testChain } from "./plugin-harness.ts";

t.test("a client that is no pod has no path", async (t) => {
  const { ask } = testChain(". {\nkubernetes cluster.local {\n pods verified\n}\nautopath @kubernetes\n}", webAndDb);
  t.equal(answerData(await ask("x.default.svc.cluster.local.", "A")), "NXDOMAIN");
});

t.test("the name is found in one question", async (t) => {
  const { ask } = testChain(
    ". {\nkubernetes cluster.local {\n pods verified\n}\nhosts {\n 127.7.7.7 api.example.com\n fallthrough\n}\nautopath @kubernetes\n}",
    [...webAndDb, clientPod()],
  );
  t.equal(answerData(await ask("api.example.com.default.svc.cluster.local.", "A")), "NOERROR A 127.7.7.7, CNAME api.example.com.");
});

t.test("what ends the walk, and what does not", async (t) => {
  const files = { "/resolv": "search a.x b.x\n" };
  const A = (name: string): ResourceRecord => ({ name, type: "A", ttl: 7, address: "127.1.0.1" });
  const said: Readonly<Record<string, Partial<Reply> | undefined>> = {
    "nodata.b.x.": { rcode: "NOERROR" },
    "refused.a.x.": { rcode: "REFUSED" },
    "servfail.b.x.": { rcode: "SERVFAIL" },
    "mail.b.x.": { rcode: "NOERROR", answers: [{ name: "mail.b.x.", type: "MX", ttl: 9, preference: 1, exchange: "m." }] },
    "alias.a.x.": { rcode: "NOERROR", answers: [{ name: "alias.a.x.", type: "CNAME", ttl: 5, target: "c." }, A("c.")] },
    "found.a.x.": { rcode: "NOERROR", answers: [A("found.a.x.")] },
  };
  const exchange = answering(({ name }) => {
    if (name.startsWith("dead.")) throw new Error("no answer");
    return said[name] ?? { rcode: "NXDOMAIN" };
  });
  const table: readonly [name: string, type: string, expected: string][] = [
    ["none.a.x.", "A", "NXDOMAIN"],
    ["nodata.a.x.", "AAAA", "NOERROR"],
    ["found.a.x.", "A", "NOERROR A 127.1.0.1"],
    // What a server has said is an answer, whatever its code.
    ["refused.a.x.", "A", "REFUSED"],
    ["servfail.a.x.", "A", "SERVFAIL"],
    // Any type is looked for.
    ["mail.a.x.", "MX", "NOERROR CNAME mail.b.x., MX 1 m."],
    // The CNAME leads to the first record that is another's.
    ["alias.a.x.", "A", "NOERROR A 127.1.0.1, CNAME c., CNAME c."],
    ["dead.a.x.", "A", "SERVFAIL"],
    ["a.x.", "A", "SERVFAIL"],
    ["b.x.", "A", "NXDOMAIN"],
  ];
  const { ask, lines, metrics } = testChain(". {\nerrors\nautopath /resolv\nforward . 127.9.0.1 {\nmax_fails 0\n}\n}", [], {
    files,
    exchange,
  });
  for (const [name, type, expected] of table) t.equal(answerData(await ask(name, type)), expected, `${name} ${type}`);
  t.strictSame(lines, [
    "[ERROR] plugin/errors: 2 dead.a.x. A: no answer",
    "[ERROR] plugin/errors: 2 a.x. A: trimzone: overshot qname: a.x.for zone a.x.",
  ]);
  t.match(metrics.text(), 'coredns_autopath_success_total{server="dns://:53"} 6');
});

t.test("stanzas that are refused", async (t) => {
  refuses(t, [
    ["autopath", "no resolv-conf specified"],
    ["autopath kubernetes", 'failed to parse "kubernetes"'],
    ['autopath ""', "failed to parse"],
    [
      "autopath @whoami\nwhoami",
      "plugin/autopath: Corefile:2:10 - Error during parsing: whoami does not implement the AutoPather interface",
    ],
  ]);
});

t.test("stanzas that are taken", async (t) => {
  takes(t, ["autopath @kubernetes", "autopath 10.0.0.0/8 @kubernetes"]);
});
