// Corefiles that are read, and those that are refused with the place of the fault.
import { readFileSync } from "node:fs";
import t from "tap";
import { CorefileError, defaultCorefile, zonesOf } from "../../dns/corefile.ts";
import { parseCorefile } from "../../dns/corefile-parser.ts";
import type { CorefileFiles } from "../../dns/corefile-parser.ts";
import type { Directive } from "../../dns/corefile.ts";
import { checkCorefile } from "../../dns/chain.ts";
import { dataText, zoneLine } from "../../dns/record.ts";
import { namespace, service } from "./objects.ts";
import { testChain } from "./plugin-harness.ts";

t.test("server blocks", async (t) => {
  const blocks = parseCorefile(
    `(common) {\n  errors # comment\n}\n.:53 { import common\n  kubernetes cluster.local in-addr.arpa { pods insecure\n ttl 30 }\n}\ncorp.example dns://other.example:1053 {\n  hosts {\n 1.2.3.4 "a b"\n }\n}`,
  );
  t.strictSame(
    blocks.map(({ zones, port, directives }) => [zones, port, directives.map((directive) => directive.name.text)]),
    [
      [["."], 53, ["errors", "kubernetes"]],
      [["corp.example."], 53, ["hosts"]],
      [["other.example."], 1053, ["hosts"]],
    ],
  );
  t.strictSame(
    blocks[0]?.directives[1]?.body.map((line) => [line.name.text, ...line.args.map((token) => token.text)]),
    [
      ["pods", "insecure"],
      ["ttl", "30"],
    ],
  );
  t.equal(blocks[1]?.directives[0]?.body[0]?.args[0]?.text, "a b");
});

t.test("address blocks as zones", async (t) => {
  t.strictSame(zonesOf("127.96.0.0/16"), ["96.127.in-addr.arpa."]);
  t.strictSame(zonesOf("10.0.0.0/23"), ["0.0.10.in-addr.arpa.", "1.0.10.in-addr.arpa."]);
  t.strictSame(zonesOf("fd00::/16"), ["0.0.d.f.ip6.arpa."]);
  t.strictSame(zonesOf("Example.ORG"), ["example.org."]);
});

const faults: readonly [text: string, message: string][] = [
  [". {\n  errors\n", "Corefile:1:3 - Error during parsing: Unexpected EOF, expecting '}'"],
  [". {\n  frobnicate\n}", "Corefile:2:3 - Error during parsing: Unknown directive 'frobnicate'"],
  [
    ". {\n  kubernetes cluster.local {\n    podz insecure\n  }\n}",
    "plugin/kubernetes: Corefile:3:5 - Error during parsing: unknown property 'podz'",
  ],
  [
    ". {\n  kubernetes cluster.local {\n    pods maybe\n  }\n}",
    "plugin/kubernetes: Corefile:3:10 - Error during parsing: wrong value for pods: maybe,  must be one of: disabled, verified, insecure",
  ],
  [
    ". {\n  kubernetes cluster.local {\n    ttl 3601\n  }\n}",
    "plugin/kubernetes: Corefile:3:9 - Error during parsing: ttl must be in range [0, 3600]: 3601",
  ],
  [
    ". {\n  kubernetes cluster.local {\n    ttl\n  }\n}",
    "plugin/kubernetes: Corefile:3:5 - Error during parsing: Wrong argument count or unexpected line ending after 'ttl'",
  ],
  [". {\n  kubernetes in-addr.arpa\n}", "plugin/kubernetes: Corefile:2:3 - Error during parsing: non-reverse zone name must be used"],
  [
    ". {\n  cache 30\n  cache 60\n}",
    "plugin/cache: Corefile:3:3 - Error during parsing: this plugin can only be used once per Server Block",
  ],
  [". {\n  cache 0\n}", "plugin/cache: Corefile:2:9 - Error during parsing: cache TTL can not be zero or negative: 0"],
  [". {\n  import nothing\n}", "Corefile:2:10 - Error during parsing: File to import not found: nothing"],
  [". {\n log\n}\na.x .:53 {\n log\n}", "Corefile:4:5 - Error during parsing: cannot serve dns://.:53 - it is already defined"],
  ["a.x: {\n}", 'Corefile:1:1 - Error during parsing: expecting data after last colon: "a.x:"'],
  ["a..x {\n}", "Corefile:1:1 - Error during parsing: zone is not a valid domain name: a..x"],
  [".:99999 {\n}", 'Corefile:1:1 - Error during parsing: invalid port in ".:99999"'],
  ["tls://. {\n}", 'Corefile:1:1 - Error during parsing: transport "tls" is not served: only dns'],
  ["cluster.local,", "Corefile:1:1 - Error during parsing: Unexpected EOF"],
  ["a.example, {\n}", "Corefile:1:12 - Error during parsing: Expected another address but had '{' - check for extra comma"],
  ["{\n}", "Corefile:1:1 - Error during parsing: Unexpected '{': a server block needs a zone"],
  [".\nerrors\n}", "Corefile:3:1 - Error during parsing: Unexpected '}' because no matching opening brace"],
  ["(a) {\n log\n}\n(a) {\n}", "Corefile:4:1 - Error during parsing: redeclaration of previously declared snippet a"],
  ["(a) {\n log\n", "Corefile:1:5 - Error during parsing: Unexpected EOF, expecting '}'"],
  ["(a) {\n import a\n}\n. {\n import a\n}", "Corefile:2:9 - Error during parsing: maximum import depth (1000) exceeded"],
  [". {\n  import\n}", "Corefile:2:3 - Error during parsing: Wrong argument count or unexpected line ending after 'import'"],
  ['. {\n  import ""\n}', "Corefile:2:10 - Error during parsing: Import requires a non-empty filepath"],
  [". {\n  import a b\n}", "Corefile:2:12 - Error during parsing: Import takes only one argument (glob pattern or file)"],
  [". {\n  import */*\n}", "Corefile:2:10 - Error during parsing: Glob pattern may only contain one wildcard (*), but has others: */*"],
  // A fault in an imported file is at its place there.
  [". {\n  import bad.conf\n}", "bad.conf:2:2 - Error during parsing: Unknown directive 'frobnicate'"],
  ["import deep/*.conf", "plugin/kubernetes: deep/y:2:6 - Error during parsing: ttl must be in range [0, 3600]: 9999"],
  ['. {\n  log "open\n}', "Corefile:2:7 - Error during parsing: Unexpected EOF inside a quoted string"],
  [
    ". {\n  health {\n lameduck soon\n }\n}",
    "plugin/health: Corefile:3:11 - Error during parsing: unable to parse lameduck duration value: 'soon' : time: invalid duration \"soon\"",
  ],
  [". {\n  rewrite name regex ( x\n}", "plugin/rewrite: Corefile:2:11 - Error during parsing: invalid regex matching pattern: ("],
  [
    ". {\n  forward . nonsense\n}",
    'plugin/forward: Corefile:2:13 - Error during parsing: failed to resolve "nonsense": lookup nonsense: no such host',
  ],
  [". {\n  loadbalance heavy\n}", "plugin/loadbalance: Corefile:2:15 - Error during parsing: unknown policy: heavy"],
];

const FILES: Readonly<Record<string, string>> = {
  "hosts.conf": "hosts {\n 127.0.0.7 a.example\n import more\n}\n",
  more: "ttl 7\nfallthrough",
  "blocks.conf": "b.example {\n import hosts.conf\n}\n",
  "conf.d/one.server": "one.example {\n log\n}",
  "conf.d/two.server": "two.example {\n import ../hosts.conf\n}",
  "conf.d/other.txt": "(",
  "bad.conf": "errors\n frobnicate\n",
  "deep/x.conf": "x {\n import y\n}",
  "deep/y": "kubernetes x {\n ttl 9999\n}",
};
const files: CorefileFiles = {
  read: (path) => FILES[path],
  list: (folder) =>
    Object.keys(FILES).flatMap((path) =>
      folder === "" || path.startsWith(`${folder}/`) ? path.slice(folder === "" ? 0 : folder.length + 1) : [],
    ),
};

t.test("imports of snippets and files, environment, blocks without braces", async (t) => {
  const rows: readonly [text: string, expected: string][] = [
    ["(common) {\n errors\n log\n}\n. {\n import common\n ready\n}", ".:53 errors; log; ready"],
    ["(one) { log }\n. {\n import one\n import one\n}", ".:53 log; log"],
    ["(t) {\n ttl 9\n}\n. {\n kubernetes x {\n import t\n noendpoints\n }\n}", ".:53 kubernetes x (ttl 9; noendpoints)"],
    [". {\n import hosts.conf\n}", ".:53 hosts (127.0.0.7 a.example; ttl 7; fallthrough)"],
    ["import blocks.conf\n. {\n log\n}", "b.example.:53 hosts (127.0.0.7 a.example; ttl 7; fallthrough) | .:53 log"],
    ["import conf.d/*.server", "one.example.:53 log | two.example.:53 hosts (127.0.0.7 a.example; ttl 7; fallthrough)"],
    [". {\n log\n import none*\n}", ".:53 log"],
    [".:1053\nerrors\nlog", ".:1053 errors; log"],
    ["a.example, b.example:54 c.example {\n log\n}", "a.example. c.example.:53 log | b.example.:54 log"],
    ["a.example,\nb.example {\n log\n}", "a.example. b.example.:53 log"],
    ["{$ZONE}:5{%PORT%} {\n import {$WHICH}\n}", "lab.local.:53 hosts (127.0.0.7 a.example; ttl 7; fallthrough)"],
    ["cluster.local", "cluster.local.:53"],
    // A comment begins anywhere, also in a word.
    [". { #one\n log a#b c\n errors# d {\n}", ".:53 log a; errors"],
    ['. {\n log "a#b" "say \\"no\\"" "\\d\\\\" c\n}', '.:53 log a#b say "no" \\d\\\\ c'],
    ["", ""],
  ];
  const line = ({ name, args, body }: Directive): string =>
    [name, ...args].map((token) => token.text).join(" ") + (body.length > 0 ? ` (${body.map(line).join("; ")})` : "");
  for (const [text, expected] of rows) {
    const blocks = parseCorefile(text, { files, variables: { ZONE: "lab.local", PORT: "3", WHICH: "hosts.conf" } });
    const shown = blocks.map(({ zones, port, directives }) => `${zones.join(" ")}:${port} ${directives.map(line).join("; ")}`.trim());
    t.equal(shown.join(" | "), expected, text);
  }
});

t.test("faults", async (t) => {
  for (const [text, message] of faults) {
    try {
      checkCorefile(text, files);
      t.fail(`no error for ${text}`);
    } catch (error) {
      t.ok(error instanceof CorefileError);
      t.equal(error instanceof Error ? error.message : "", message);
    }
  }
});

t.test("the default", async (t) => {
  const { chain } = testChain(defaultCorefile("cluster.local"), []);
  t.strictSame(
    chain.plugins.map((plugin) => plugin.name),
    ["reload", "ready", "health", "prometheus", "errors", "loadbalance", "cache", "kubernetes", "loop"],
  );
  t.equal(chain.lameduckMs, 5000);
});

t.test("the README's examples", async (t) => {
  const readme = readFileSync(new URL("../../dns/README.md", import.meta.url), "utf8");
  const examples = [...readme.matchAll(/```corefile\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  t.equal(examples.length, 4);
  const objects = [namespace("default"), service("default/web", "127.96.0.12", "http:80/TCP")];
  const shop = service("default/shop", "127.96.0.13", "http:80/TCP");
  const external = { ...shop, spec: { ...shop.spec, externalIPs: ["127.112.0.9"] } };
  const [first, second, third, fourth] = examples.map((example) => testChain(example, [...objects, external]));
  t.strictSame((await first?.ask("web.default.svc.cluster.local.", "A"))?.answers.map(dataText), ["127.96.0.12"]);
  t.strictSame((await second?.ask("legacy.example.", "A"))?.answers.map(zoneLine), ["legacy.example. 5 IN A 127.96.0.12"]);
  t.strictSame((await second?.ask("shop.example.", "A"))?.answers.map(dataText), ["127.96.0.12"]);
  t.strictSame((await third?.ask("web.default.svc.old.local.", "A"))?.answers.map(zoneLine), [
    "web.default.svc.old.local. 5 IN A 127.96.0.12",
  ]);
  t.equal((await third?.ask("host.corp.example.", "A"))?.rcode, "SERVFAIL", "its servers cannot be reached here");
  third?.chain.close();
  t.strictSame((await fourth?.ask("shop.default.shop.example.", "A"))?.answers.map(dataText), ["127.112.0.9"]);
  await fourth?.ask("nope.default.svc.cluster.local.", "A");
  t.match(fourth?.lines, [/NXDOMAIN/]);
});
