// Explanations of names: which plugin and object answered along the search path, or why none did; and Corefiles tried before a start.
import t from "tap";
import { checkCorefile } from "../../dns/chain.ts";
import { defaultCorefile } from "../../dns/corefile.ts";
import { parseCorefile } from "../../dns/corefile-parser.ts";
import { explainName } from "../../dns/explain-name.ts";
import type { Peer } from "../../model/ports.ts";
import { namespace, service, slice } from "./objects.ts";
import { testChain } from "./plugin-harness.ts";

const pod: Peer = { kind: "pod", namespace: "default", name: "client", ip: "127.244.1.9", node: "loopkube-worker" };

t.test("names", async (t) => {
  const { chain, zone } = testChain(defaultCorefile("cluster.local"), [
    namespace("default"),
    namespace("shop"),
    service("default/web", "127.96.0.12", "http:80/TCP"),
    service("shop/cart", "127.96.0.13", "80/TCP"),
    service("default/db", "None", "sql:5432/TCP"),
    slice("default/db", ["!127.244.1.4"], { name: "sql", port: 5432 }),
  ]);
  const text = async (name: string, type = "A"): Promise<string> =>
    (await explainName({ chain, zone, domain: "cluster.local", warnings: [] }, pod, name, type))
      .flatMap((step) => [step.title, ...step.lines.map((line) => `  ${line}`)])
      .join("\n");
  t.equal(
    await text("web"),
    [
      "1. web.default.svc.cluster.local. A: NOERROR A 127.96.0.12 (ttl 30)",
      "  kubernetes: Service default/web (ClusterIP 127.96.0.12)",
      "DNS: found with question 1",
    ].join("\n"),
  );
  const rows: readonly [name: string, type: string, expected: RegExp][] = [
    ["cart", "A", /DNS: no A record after 4 questions\n  a Service named "cart" exists in: shop; ask cart\.shop$/],
    ["web.nope.svc.cluster.local.", "A", /namespace "nope" does not exist/],
    ["db", "A", /Service default\/db \(headless, 0 ready endpoints, 1 not ready\): none to list/],
    ["_http._tcp.cart.shop.svc", "SRV", /has no port named "http" with protocol tcp/],
    ["web", "TXT", /NODATA\n  kubernetes: Service default\/web .*no TXT record/],
    ["127.96.0.12", "PTR", /^1\. 12\.0\.96\.127\.in-addr\.arpa\. PTR: NOERROR PTR web\.default/],
    ["www.example.com", "A", /4\. www\.example\.com\. A: SERVFAIL\n  server: no plugin answers/],
  ];
  for (const [name, type, expected] of rows) t.match(await text(name, type), expected, `${name} ${type}`);
  chain.close();
});

t.test("a Corefile is tried before anything starts", async (t) => {
  t.strictSame(checkCorefile(defaultCorefile("cluster.local")), [], "with nothing to say about the default");
  t.doesNotThrow(() => checkCorefile(".:53 {\n forward . /etc/resolv.conf {\n  max_concurrent 1000\n }\n}\n"));
  const fault = (text: string): string => {
    try {
      checkCorefile(text);
      return "";
    } catch (error) {
      return String(error);
    }
  };
  t.match(fault(".:53 {\n kubernetes cluster.local {\n  pods maybe\n }\n}\n"), /Corefile:3:8 - .*wrong value for pods: maybe/);
});

t.test("variables of the environment", async (t) => {
  const [block] = parseCorefile(".:53 {\n kubernetes {$DOMAIN} {%REVERSE%} a{$NONE}b\n}\n", {
    variables: { DOMAIN: "lab.local", REVERSE: "in-addr.arpa" },
  });
  t.strictSame(
    block?.directives[0]?.args.map((token) => token.text),
    ["lab.local", "in-addr.arpa", "ab"],
  );
});
