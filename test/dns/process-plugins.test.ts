// Plugins that look after the process, not an answer: loop by what it finds, health, ready, reload, bufsize and prometheus by their stanzas.
// Facts: CoreDNS 1.14.7, the plugins' set-up.
import t from "tap";
import { answerTo, queryOf, refuses, takes, testChain } from "./plugin-harness.ts";

t.test("loop looks for its own zone, and tells where to read on", async (t) => {
  const corefile = ".:53 {\nwhoami\n}\ncorp.example:53 {\nloop\nforward . 127.9.0.1\n}";
  let passed = 0;
  const test = testChain(corefile, [], {
    exchange: async (_server, message) => {
      if (++passed > 5) throw new Error("the server has ended");
      const query = queryOf(message, "udp", { ip: "127.9.0.1", port: 7 });
      return answerTo(query, await test.chain.serve(query));
    },
  });
  await test.clock.advance(3000);
  t.match(
    test.lines[0],
    /^plugin\/loop: Loop \(127\.9\.0\.1:7 -> :53\) detected for zone "corp\.example\.", see https:\/\/coredns\.io\/plugins\/loop#troubleshooting\. Query: "HINFO \d+\.\d+\.corp\.example\."$/,
  );
  t.equal(test.lines.length, 1);
  test.chain.close();
});

t.test("stanzas that are refused", async (t) => {
  refuses(t, [
    ["health bla", "plugin/health: Corefile:2:8 - Error during parsing: address bla: missing port in address"],
    ["health ::1:80", "address ::1:80: too many colons in address"],
    ["health :8080 :8081", "Wrong argument count"],
    ["health {\n lameduck\n}", "Wrong argument count"],
    ["health {\n lameduck a\n}", "unable to parse lameduck duration value: 'a' : time: invalid duration"],
    ["health {\n bla\n}", "unknown property 'bla'"],
    ["ready bla", "address bla: missing port in address"],
    ["ready :8181 :8182", "Wrong argument count"],
    ["ready {\n monitor\n}", "Wrong argument count"],
    ["ready {\n monitor now\n}", "monitor type 'now' not supported"],
    ["ready {\n other\n}", "unknown property 'other'"],
    ["reload 1s", "interval value must be greater or equal to 2s"],
    ["reload 30s 10ms", "jitter value must be 0 or greater or equal to 1s"],
    ["reload 30s 10s 1s", "Wrong argument count"],
    ["loop now", "Wrong argument count"],
    ["bufsize 511", "Wrong argument count or unexpected line ending after '511'"],
    ["bufsize 4097", "Wrong argument count or unexpected line ending after '4097'"],
    ["bufsize abc", "Wrong argument count or unexpected line ending after 'abc'"],
    ["bufsize 600 700", "Wrong argument count"],
    ["prometheus a:1 b:2", "Wrong argument count"],
    ["prometheus {\n runtime_metrics all\n}", "Wrong argument count"],
    ["prometheus {\n go_metrics\n}", "unknown option: go_metrics"],
  ]);
});

t.test("stanzas that are taken", async (t) => {
  takes(t, [
    "prometheus localhost:9153 {\n runtime_metrics\n}",
    "health localhost:1234 {\n lameduck 4s\n}",
    "ready {\n monitor continuously\n}",
    "reload 2s 0s",
    "reload",
    "bufsize",
    "loop",
  ]);
});
