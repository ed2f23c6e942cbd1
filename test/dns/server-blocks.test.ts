// Which block a question goes to, and the questions of its plugins. Facts: CoreDNS 1.14.7, core/dnsserver/server.go.
import t from "tap";
import { encodeQuery } from "../../dns/encode.ts";
import { externalName, WEB, webAndDb } from "./objects.ts";
import { answerData, answerTo, queryOf, testChain } from "./plugin-harness.ts";
import type { Exchange } from "./plugin-harness.ts";

t.test("blocks: none that answers is REFUSED, DS goes to the parent", async (t) => {
  const rows: readonly [corefile: string, name: string, type: string, expected: string][] = [
    [".", "a.x.", "A", "REFUSED"],
    [". {\n health\n ready\n reload\n}", "a.x.", "A", "REFUSED"],
    ["x {\n log\n}", "a.y.", "A", "REFUSED"],
    [". {\n log\n}", "a.y.", "A", "SERVFAIL"],
    ["x {\n log\n}\nsub.x {\n reload\n}", "a.sub.x.", "A", "REFUSED"],
    ["x {\n log\n}\nsub.x {\n reload\n}", "sub.x.", "DS", "SERVFAIL"],
    [". {\n reload\n}\nsub.x {\n log\n}", "sub.x.", "DS", "SERVFAIL"],
  ];
  for (const [corefile, name, type, expected] of rows)
    t.equal(answerData(await testChain(corefile, []).ask(name, type)), expected, `${name} ${type}: ${corefile}`);
});

t.test("what a plugin asks of its own server stays on the port of its block", async (t) => {
  const corefile =
    ".:1053 {\nhosts {\n127.1.0.1 api.example.com\n}\n}\nexample.com:53 {\nhosts {\n127.1.0.2 api.example.com\n}\n}\n.:53 {\nkubernetes cluster.local\n}";
  const { ask } = testChain(corefile, [...webAndDb, externalName("default/api", "api.example.com")]);
  t.equal(answerData(await ask("api.default.svc.cluster.local.", "A")), "NOERROR A 127.1.0.2, CNAME api.example.com.");
});

t.test("forward asks its servers over the pod's network, a stub domain only its own", async (t) => {
  const asked: string[] = [];
  const exchange: Exchange = async (server, message) => {
    asked.push(`${server.ip}:${server.port}`);
    return answerTo(queryOf(message), { answers: [{ name: "a.corp.", type: "A", ttl: 60, address: "127.5.5.5" }] });
  };
  const { ask } = testChain(
    "corp:53 {\nforward . 127.96.0.99 127.96.0.98:5353 {\n policy sequential\n}\n}\n.:53 {\nkubernetes cluster.local\n}",
    webAndDb,
    { exchange },
  );
  t.equal(answerData(await ask("a.corp.", "A")), "NOERROR A 127.5.5.5");
  t.equal(answerData(await ask(WEB, "A")), "NOERROR A 127.96.0.12");
  t.strictSame(asked, ["127.96.0.99:53"]);
  t.equal(answerData(await testChain(".:53 {\nforward . 127.96.0.99\n}", []).ask("a.corp.", "A")), "SERVFAIL");
  t.ok(encodeQuery(1, "a.", 1).length > 12);
});
