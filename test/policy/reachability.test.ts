// Who reaches whom among the pods a, b and c of the namespaces x, y and z, which all serve TCP and UDP on 80 (serve-80-tcp, …) and 81:
// the scenarios of k8s test/e2e/network/netpol. A pod always reaches itself.
import t from "tap";
import { parse } from "yaml";
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { NetworkPolicy } from "../../model/kinds/networking-v1.ts";
import type { Protocol } from "../../model/ports.ts";
import { compileNetworkPolicy, partyOfPod, type PodParty, PolicyTable } from "../../policy/index.ts";

const NAMES = ["x", "y", "z"].flatMap((namespace) => ["a", "b", "c"].map((name) => `${namespace}/${name}`));
const ports = ([80, 81] as const).flatMap((containerPort) =>
  (["TCP", "UDP", "SCTP"] as const).map((protocol) => ({
    name: `serve-${containerPort}-${protocol.toLowerCase()}`,
    containerPort,
    protocol,
  })),
);

function pod(key: string, i: number): PodParty {
  const [namespace = "", name = ""] = key.split("/");
  const object: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name, labels: { pod: name } },
    spec: { nodeName: `n${i}`, containers: [{ name: "c", ports }] },
    status: { phase: "Running", podIP: `127.244.${i}.2` },
  };
  const party = partyOfPod(object);
  if (!party) throw new Error(`${key} has no address`);
  return party;
}
const pods = new Map(NAMES.map((name, i) => [name, pod(name, i)]));

/** One line for each destination that not all reach: `x/a: y/b y/c`. */
function matrix(policies: readonly string[], port: number, protocol: Protocol, namespaces: Readonly<Record<string, string>> = {}): string {
  const compiled = policies.map((text, i) => {
    const [namespace = "", spec = ""] = text.split(/: (.*)/s);
    const policy: NetworkPolicy = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { namespace, name: `p${i}` },
      spec: parse(`{${spec}}`) as NetworkPolicy["spec"],
    };
    return compileNetworkPolicy(policy);
  });
  const table = new PolicyTable(compiled, (name) => ({
    ns: name,
    "kubernetes.io/metadata.name": name,
    ...(namespaces[name] ? { [namespaces[name]]: "" } : {}),
  }));
  const lines = [...pods].flatMap(([name, to]) => {
    const from = [...pods].filter(([, source]) => table.evaluate({ from: source, to, port, protocol }).allowed).map(([source]) => source);
    return from.length === NAMES.length ? [] : [`${name}: ${from.filter((source) => source !== name).join(" ")}`.trimEnd()];
  });
  return lines.join("\n");
}

const A = "podSelector: {matchLabels: {pod: a}}";
const ALL = "podSelector: {}";
const ns = (name: string): string => `namespaceSelector: {matchLabels: {ns: ${name}}}`;
const only = (from: string): string => `x/a: ${from}`.trimEnd();
const others = (...left: readonly string[]): string => NAMES.filter((name) => !left.includes(name) && name !== "x/a").join(" ");

/** What is left when pods of `from` reach none of `to`: the egress of the former is cut. */
function cut(from: readonly string[], to: readonly string[]): string {
  return NAMES.filter((name) => to.includes(name) && from.some((source) => source !== name))
    .map((name) => `${name}: ${NAMES.filter((source) => source !== name && !from.includes(source)).join(" ")}`)
    .join("\n");
}
const X = ["x/a", "x/b", "x/c"];
const allBut = (...names: readonly string[]): readonly string[] => NAMES.filter((name) => !names.includes(name));
const DENY_X = `x: ${ALL}, policyTypes: [Ingress]`;

const ROWS: readonly (readonly [title: string, policies: readonly string[], expected: string, port?: string])[] = [
  ["deny-all", [`x: ${ALL}, policyTypes: [Ingress]`], "x/a:\nx/b:\nx/c:"],
  [
    "deny-all, both directions",
    [`x: ${ALL}, policyTypes: [Ingress, Egress]`],
    [
      "x/a:",
      "x/b:",
      "x/c:",
      ...["y/a", "y/b", "y/c", "z/a", "z/b", "z/c"].map(
        (to) => `${to}: ${NAMES.filter((name) => !name.startsWith("x") && name !== to).join(" ")}`,
      ),
    ].join("\n"),
  ],
  ["only pods of a label in the own namespace", [`x: ${A}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]`], only("x/b")],
  [
    "pods of a label in all namespaces",
    [`x: ${A}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {pod: b}}}]}]`],
    only("x/b y/b z/b"),
  ],
  [
    "all pods of other namespaces",
    [`x: ${A}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: NotIn, values: [x]}]}}]}]`],
    only("y/a y/b y/c z/a z/b z/c"),
  ],
  ["namespace or pod", [`x: ${A}, ingress: [{from: [{${ns("y")}}, {podSelector: {matchLabels: {pod: b}}}]}]`], only("x/b y/a y/b y/c")],
  ["namespace and pod", [`x: ${A}, ingress: [{from: [{${ns("y")}, podSelector: {matchLabels: {pod: b}}}]}]`], only("y/b")],
  [
    "several namespaces and pods by expression",
    [
      `x: ${A}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: NotIn, values: [x]}]}, podSelector: {matchExpressions: [{key: pod, operator: In, values: [b, c]}]}}]}]`,
    ],
    only("y/b y/c z/b z/c"),
  ],
  ["one port of two", [`x: ${A}, ingress: [{ports: [{port: 81}]}]`], "", "81/TCP"],
  ["the other one", [`x: ${A}, ingress: [{ports: [{port: 81}]}]`], "x/a:"],
  ["a port without protocol is TCP", [`x: ${A}, ingress: [{ports: [{port: 81}]}]`], "x/a:", "81/UDP"],
  [
    "stacked: one port for a namespace, one for another",
    [`x: ${A}, ingress: [{from: [{${ns("y")}}], ports: [{port: 80}]}]`, `x: ${A}, ingress: [{from: [{${ns("z")}}], ports: [{port: 81}]}]`],
    only("y/a y/b y/c"),
  ],
  ["allow-all goes before others", [`x: ${ALL}, policyTypes: [Ingress]`, `x: ${ALL}, ingress: [{}]`], ""],
  ["allow-all of one port beside deny", [`x: ${ALL}, ingress: [{ports: [{port: 80}]}]`, `x: ${ALL}, policyTypes: [Ingress]`], ""],
  ["a named port", [`x: ${A}, ingress: [{ports: [{port: serve-80-tcp}]}]`], ""],
  ["another one's name", [`x: ${A}, ingress: [{ports: [{port: serve-81-tcp}]}]`], "x/a:"],
  ["a name of another protocol", [`x: ${A}, ingress: [{ports: [{port: serve-80-udp}]}]`], "x/a:"],
  ["a name of another protocol, with it", [`x: ${A}, ingress: [{ports: [{protocol: UDP, port: serve-80-udp}]}]`], "", "80/UDP"],
  ["a range", [`x: ${A}, ingress: [{ports: [{port: 79, endPort: 80}]}]`], ""],
  ["outside of a range", [`x: ${A}, ingress: [{ports: [{port: 81, endPort: 90}]}]`], "x/a:"],
  ["UDP only", [`x: ${A}, ingress: [{ports: [{protocol: UDP}]}]`], "x/a:"],
  ["any port of UDP", [`x: ${A}, ingress: [{ports: [{protocol: UDP}]}]`], "", "81/UDP"],
  ["SCTP isolates all the same", [`x: ${A}, ingress: [{ports: [{protocol: SCTP, port: 80}]}]`], "x/a:"],
  ["SCTP", [`x: ${A}, ingress: [{ports: [{protocol: SCTP, port: 80}]}]`], "", "80/SCTP"],
  [
    "egress by pod",
    [`x: ${A}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {pod: b}}}]}]`],
    NAMES.filter((name) => name !== "x/a" && name !== "x/b")
      .map((to) => `${to}: ${NAMES.filter((name) => name !== "x/a" && name !== to).join(" ")}`)
      .join("\n"),
  ],
  [
    "egress to a namespace, and ingress there must allow it",
    [
      `x: ${A}, policyTypes: [Egress], egress: [{to: [{${ns("y")}}]}]`,
      `y: ${A}, ingress: [{from: [{${ns("x")}, podSelector: {matchLabels: {pod: b}}}]}]`,
    ],
    [
      ["x/b", "x/c"],
      ["z/a", "z/b", "z/c"],
    ]
      .flat()
      .sort()
      .map((to) => `${to}: ${NAMES.filter((name) => name !== "x/a" && name !== to).join(" ")}`)
      .toSpliced(2, 0, "y/a: x/b")
      .join("\n"),
  ],
  [
    "an ipBlock that holds one pod",
    ["x: podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{ipBlock: {cidr: 127.244.4.2/32}}]}]"],
    only("y/b"),
  ],
  [
    "except takes one out",
    ["x: podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{ipBlock: {cidr: 127.244.0.0/16, except: [127.244.4.2/32]}}]}]"],
    only(others("y/b")),
  ],
  [
    "another policy lets the excepted one in",
    [
      "x: podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{ipBlock: {cidr: 127.244.0.0/16, except: [127.244.4.2/32]}}]}]",
      "x: podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{ipBlock: {cidr: 127.244.4.2/32}}]}]",
    ],
    "",
  ],
  [
    "an ipBlock in the same policy lets the excepted one in",
    [
      "x: podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{ipBlock: {cidr: 127.244.0.0/16, except: [127.244.4.2/32]}}, {ipBlock: {cidr: 127.244.4.2/32}}]}]",
    ],
    "",
  ],
  [
    "deny all, but to one pod from anywhere",
    [DENY_X, `x: ${A}, ingress: [{from: [{namespaceSelector: {}, podSelector: {}}]}]`],
    "x/b:\nx/c:",
  ],
  ["all namespaces", [`x: ${A}, ingress: [{from: [{namespaceSelector: {}}]}]`], ""],
  ["one namespace", [`x: ${A}, ingress: [{from: [{${ns("y")}}]}]`], only("y/a y/b y/c")],
  [
    "one namespace by expression",
    [`x: ${A}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: In, values: [y]}]}}]}]`],
    only("y/a y/b y/c"),
  ],
  [
    "one namespace by the label that each has",
    [`x: ${A}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: y}}}]}]`],
    only("y/a y/b y/c"),
  ],
  [
    "egress to namespaces by the label that each has",
    [
      `x: ${A}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [y]}]}}]}]`,
    ],
    cut(["x/a"], ["y/a", "y/b", "y/c"]),
  ],
  [
    "pods by expression",
    [`x: ${A}, ingress: [{from: [{podSelector: {matchExpressions: [{key: pod, operator: In, values: [b]}]}}]}]`],
    only("x/b"),
  ],
  [
    "any of several pod selectors",
    [`x: ${A}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}, {podSelector: {matchLabels: {pod: c}}}]}]`],
    only("x/b x/c"),
  ],
  ["the own namespace only", [`x: ${ALL}, ingress: [{from: [{podSelector: {}}]}]`], "x/a: x/b x/c\nx/b: x/a x/c\nx/c: x/a x/b"],
  ["one port for a namespace", [`x: ${A}, ingress: [{from: [{${ns("y")}}], ports: [{port: 81}]}]`], only("y/a y/b y/c"), "81/TCP"],
  [
    "two ports for a namespace in two policies",
    [`x: ${A}, ingress: [{from: [{${ns("y")}}], ports: [{port: 81}]}]`, `x: ${A}, ingress: [{from: [{${ns("y")}}], ports: [{port: 80}]}]`],
    only("y/a y/b y/c"),
  ],
  ["a named port for a whole namespace", [`x: ${ALL}, ingress: [{ports: [{port: serve-81-tcp}]}]`], "", "81/TCP"],
  ["its other port", [`x: ${ALL}, ingress: [{ports: [{port: serve-81-tcp}]}]`], "x/a:\nx/b:\nx/c:"],
  [
    "a named port from one namespace",
    [`x: ${A}, ingress: [{from: [{${ns("y")}}], ports: [{port: serve-80-tcp, protocol: TCP}]}]`],
    only("y/a y/b y/c"),
  ],
  ["egress to a named port", [`x: ${ALL}, policyTypes: [Egress], egress: [{ports: [{port: serve-80-tcp}]}]`], ""],
  [
    "egress to another one's name",
    [`x: ${ALL}, policyTypes: [Egress], egress: [{ports: [{port: serve-80-tcp}]}]`],
    cut(X, NAMES),
    "81/TCP",
  ],
  ["no egress of one pod", [`x: ${A}, policyTypes: [Egress]`], cut(["x/a"], allBut("x/a"))],
  ["no egress of a namespace", [`x: ${ALL}, policyTypes: [Egress]`], cut(X, NAMES)],
  ["egress rules without policyTypes isolate both directions", [`x: ${A}, egress: [{}]`], only("")],
  [
    "ingress and egress together",
    [
      `x: ${A}, policyTypes: [Egress, Ingress], ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}], egress: [{ports: [{port: 80}]}]`,
    ],
    only("x/b"),
  ],
  [
    "ingress and egress together, a port that egress does not name",
    [
      `x: ${A}, policyTypes: [Egress, Ingress], ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}], egress: [{ports: [{port: 80}]}]`,
    ],
    `x/a: x/b\n${cut(["x/a"], allBut("x/a"))}`,
    "81/TCP",
  ],
  [
    "the client's side denies what the server allows",
    [
      `x: ${A}, policyTypes: [Egress], egress: [{to: [{${ns("y")}, ${A}}]}]`,
      `y: ${A}, ingress: [{from: [{${ns("x")}, ${A}}]}]`,
      `y: podSelector: {matchLabels: {pod: b}}, ingress: [{from: [{${ns("x")}, ${A}}]}]`,
    ],
    cut(["x/a"], ["x/b", "x/c"]) + "\ny/a: x/a\ny/b:\n" + cut(["x/a"], ["y/c", "z/a", "z/b", "z/c"]),
  ],
  [
    "all egress goes before others",
    [`x: ${ALL}, policyTypes: [Egress], egress: [{ports: [{port: 80}]}]`, `x: ${ALL}, policyTypes: [Egress], egress: [{}]`],
    "",
    "81/TCP",
  ],
  [
    "egress to a block",
    [`x: ${A}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 127.244.4.2/32}}]}]`],
    cut(["x/a"], allBut("x/a", "y/b")),
  ],
  [
    "egress to a block but for one",
    [`x: ${A}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 127.244.0.0/16, except: [127.244.1.2/32]}}]}]`],
    cut(["x/a"], ["x/b"]),
  ],
  ["egress allowed, ingress denied", [`x: ${A}, policyTypes: [Egress], egress: [{}]`, `x: ${A}, policyTypes: [Ingress]`], only("")],
  ["SCTP is not TCP, beside a deny", [DENY_X, `x: ${A}, ingress: [{ports: [{protocol: SCTP, port: 81}]}]`], "x/a:\nx/b:\nx/c:", "81/TCP"],
  ["UDP is not TCP", [`x: ${A}, ingress: [{ports: [{protocol: UDP, port: 81}]}]`], only(""), "81/TCP"],
  ["a selector that selects nobody", ["x: podSelector: {matchLabels: {pod: none}}, policyTypes: [Ingress]"], ""],
];
for (const [title, policies, expected, port = "80/TCP"] of ROWS) {
  const [number = "", protocol = ""] = port.split("/");
  t.test(title, async (t) => t.equal(matrix(policies, Number(number), protocol as Protocol), expected));
}

t.test("labels of a namespace are read at evaluation", async (t) => {
  const policy = [`x: ${A}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: ns2, operator: Exists}]}}]}]`];
  t.equal(matrix(policy, 80, "TCP"), "x/a:");
  t.equal(matrix(policy, 80, "TCP", { y: "ns2" }), only("y/a y/b y/c"));
});
