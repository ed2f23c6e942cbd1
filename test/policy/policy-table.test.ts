// NetworkPolicy semantics as rows of from, to, verdict. Sources: the field comments of networking.k8s.io/v1, the NetworkPolicy
// documentation, and the behaviours of upstream's e2e suite (test/e2e/network/netpol).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { dumpPolicies } from "../../policy/index.ts";
import { ask, policyTable, verdictOf } from "./policy-rows.ts";

interface Case {
  readonly title: string;
  readonly policies: string;
  /** `from to verdict`. */
  readonly rows: string;
}

const CASES: readonly Case[] = [
  {
    title: "default deny of ingress isolates the namespace's pods for ingress only",
    policies: "name: deny\nspec: {podSelector: {}, policyTypes: [Ingress]}",
    rows: `
      default/client default/web:80      deny
      shop/client    default/web:80      deny
      host           default/web:80      deny
      default/web    shop/cart:80        allow
      default/web    8.8.8.8:53/UDP      allow
      default/web    default/web:80      allow
      node/n1        default/web:80      allow
      node/n2        default/web:80      deny`,
  },
  {
    title: "default deny of both directions",
    policies: "name: deny\nspec: {podSelector: {}, policyTypes: [Ingress, Egress]}",
    rows: `
      default/client default/web:80     deny
      default/client shop/cart:80       deny
      default/web    8.8.8.8:53/UDP     deny
      default/web    node/n1:10250      allow
      default/web    node/n2:10250      deny
      shop/client    shop/cart:80       allow`,
  },
  {
    title: "policyTypes default: Ingress, and Egress when there are egress rules",
    policies: "name: egress\nspec: {podSelector: {matchLabels: {app: web}}, egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]}",
    rows: `
      default/client default/web:80      deny
      default/web    default/db:5432     allow
      default/web    default/client:80   deny
      default/client default/db:5432     allow`,
  },
  {
    title: "an empty rule allows everything; no rule nothing",
    policies: `name: all\nspec: {podSelector: {matchLabels: {app: web}}, ingress: [{}]}\n---\nname: none\nspec: {podSelector: {matchLabels: {app: db}}, ingress: []}`,
    rows: `
      host           default/web:80   allow
      bank/client    default/web:443  allow
      default/client default/db:5432  deny`,
  },
  {
    title: "podSelector alone: pods of the policy's own namespace",
    policies: "name: p\nspec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]}",
    rows: `
      default/client default/web:80  allow
      shop/client    default/web:80  deny
      default/db     default/web:80  deny
      default/db     default/db:80   allow`,
  },
  {
    title: "namespaceSelector alone: all pods of those namespaces; an empty one: of all",
    policies: `name: p
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: shop}}}]}]}
---
name: q
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}}]}]}`,
    rows: `
      shop/client    default/web:80   allow
      shop/cart      default/web:80   allow
      default/client default/web:80   deny
      bank/client    default/db:5432  allow
      default/client default/db:5432  allow
      host           default/db:5432  deny`,
  },
  {
    title: "both in one peer must hold; two peers are alternatives",
    policies: `name: p
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [shop, bank]}]}
      podSelector: {matchLabels: {app: client}}
    - podSelector: {matchLabels: {app: db}}`,
    rows: `
      shop/client    default/web:80  allow
      bank/client    default/web:80  allow
      shop/cart      default/web:80  deny
      default/client default/web:80  deny
      default/db     default/web:80  allow`,
  },
  {
    title: "expressions: NotIn, Exists, DoesNotExist",
    policies: `name: p
spec:
  podSelector: {matchExpressions: [{key: v, operator: DoesNotExist}, {key: tier, operator: Exists}]}
  ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [db]}]}}]}]`,
    rows: `
      default/client default/web:80   allow
      default/db     default/web:80   deny
      default/db     default/web2:80  allow`,
  },
  {
    title: "ipBlock with except, for hosts, pods and the world",
    policies: `name: p
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{ipBlock: {cidr: 127.0.0.0/8, except: [127.244.2.0/24, 127.18.0.3/32]}}]}]
  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 127.244.2.0/24]}}]}]`,
    rows: `
      host           default/web:80     allow
      bank/client    default/web:80     allow
      default/client default/web:80     deny
      node/n2        default/web:80     allow
      node/n3        default/web:80     deny
      default/web    8.8.8.8:443        allow
      default/web    10.1.2.3:443       deny
      default/web    default/db:5432    deny
      default/web    shop/cart:80       allow`,
  },
  {
    title: "ports: number, range, protocol, all of a protocol",
    policies: `name: p
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - ports: [{port: 80}, {port: 8000, endPort: 8010}, {protocol: UDP, port: 53}, {protocol: SCTP}]`,
    rows: `
      default/client default/web:80        allow
      default/client default/web:81        deny
      default/client default/web:7999      deny
      default/client default/web:8000      allow
      default/client default/web:8010      allow
      default/client default/web:8011      deny
      default/client default/web:53        deny
      default/client default/web:53/UDP    allow
      default/client default/web:80/UDP    deny
      default/client default/web:7777/SCTP allow`,
  },
  {
    title: "named ports are looked up in the destination pod, with their protocol",
    policies: `name: in
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: http}, {port: dns, protocol: UDP}]}]}
---
name: out
spec: {podSelector: {matchLabels: {app: client}}, egress: [{ports: [{port: sql}, {port: http}]}], policyTypes: [Egress]}`,
    rows: `
      default/db     default/web:80       allow
      default/db     default/web2:80      deny
      default/db     default/web2:8080    allow
      default/db     default/web:9100     deny
      default/db     default/web:53/UDP   allow
      default/db     default/web:53       deny
      default/client default/db:5432      allow
      default/client default/db:80        deny
      default/client shop/cart:80         allow
      default/client 8.8.8.8:80           deny`,
  },
  {
    title: "policies add up: what any of them allows is allowed; both ends must agree",
    policies: `name: a
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}]}
---
name: b
spec: {podSelector: {matchLabels: {v: "2"}}, ingress: [{ports: [{port: 443}]}]}
---
name: c
namespace: shop
spec: {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 443}]}]}`,
    rows: `
      default/client default/web:80    allow
      default/client default/web:443   deny
      default/client default/web2:80   allow
      default/client default/web2:443  allow
      shop/client    default/web2:443  allow
      shop/client    default/web2:80   deny`,
  },
];

for (const { title, policies, rows } of CASES) {
  t.test(title, async (t) => {
    const table = policyTable(policies);
    for (const row of rows.trim().split("\n")) {
      const [from = "", to = "", expected = ""] = row.trim().split(/\s+/);
      const { egress, ingress } = ask(table, from, to);
      t.equal(verdictOf(table, from, to), expected, `${from} → ${to} ${expected}: ${egress.reason}; ${ingress.reason}`);
    }
  });
}

t.test("the reason names policy and rule", async (t) => {
  const table = policyTable(`name: allow-web
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: db}}}]
  - from: [{namespaceSelector: {matchLabels: {team: shop}}, podSelector: {}}, {ipBlock: {cidr: 127.0.0.0/24, except: [127.0.0.9/32]}}]
    ports: [{port: http}, {port: 8000, endPort: 8010}, {protocol: UDP}]
---
name: more
spec: {podSelector: {matchLabels: {v: "2"}}, policyTypes: [Ingress]}`);
  const rows: readonly (readonly [from: string, to: string, egress: string, ingress: string])[] = [
    [
      "default/db",
      "default/web:80",
      "egress: no policy selects pod default/db",
      "ingress: default/allow-web spec.ingress[0]: from podSelector app=db",
    ],
    [
      "shop/cart",
      "default/web:80",
      "egress: no policy selects pod shop/cart",
      "ingress: default/allow-web spec.ingress[1]: from namespaceSelector team=shop and podSelector (all) or ipBlock 127.0.0.0/24 except 127.0.0.9/32; ports TCP/http, TCP/8000-8010, UDP",
    ],
    [
      "default/client",
      "default/web:80",
      "egress: no policy selects pod default/client",
      "ingress: default/allow-web selects pod default/web, it does not allow TCP/80 from pod default/client (127.244.2.3)",
    ],
    [
      "host",
      "default/web2:81",
      "egress: the client is no pod, policies do not apply to it",
      "ingress: default/allow-web, default/more select pod default/web2, none allows TCP/81 from host 127.0.0.1",
    ],
    ["default/web", "default/db:1", "egress: no policy selects pod default/web", "ingress: no policy selects pod default/db"],
    [
      "node/n1",
      "default/web:1",
      "egress: node n1 and its own pod default/web always reach each other",
      "ingress: node n1 and its own pod default/web always reach each other",
    ],
    ["default/web", "default/web:1", "egress: pod default/web always reaches itself", "ingress: pod default/web always reaches itself"],
  ];
  for (const [from, to, egress, ingress] of rows) {
    const answer = ask(table, from, to);
    t.equal(answer.egress.reason, egress);
    t.equal(answer.ingress.reason, ingress);
  }
});

t.test("dump", async (t) => {
  const { policies } = policyTable(`name: z
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
name: a
namespace: shop
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}]}`);
  t.equal(
    dumpPolicies(policies),
    `default/z selects pods (all) in default
  ingress: nothing is allowed
  egress: nothing is allowed
shop/a selects pods app=web in shop
  spec.ingress[0]: from anywhere; ports TCP/80
`,
  );
});

t.test("the man page's example", async (t) => {
  const page = readFileSync(join(import.meta.dirname, "../../policy/README.md"), "utf8");
  const block = (language: string): string => new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(page)?.[1] ?? "";
  const table = policyTable(block("yaml"));
  const rows = block("text").trim().split("\n");
  t.ok(rows.length > 3);
  for (const row of rows) {
    const [from = "", to = "", expected = "", ...reason] = row.split(/\s+/);
    t.equal(verdictOf(table, from, to), expected, row);
    t.equal(ask(table, from, to).ingress.reason, reason.join(" "));
  }
});
