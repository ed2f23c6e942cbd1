import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import type { ServiceSpec } from "../../model/kinds/core-v1.ts";
import { seededRandom } from "../../model/random.ts";
import { categorize, Chooser, type ChooserOptions, compileService, type ProxyEndpoint, type Rule, rulesOf } from "../../proxy/index.ts";

interface Bench {
  readonly clock: VirtualClock;
  readonly chooser: Chooser;
  pick(client: string, options?: { readonly node?: string; readonly rule?: number; readonly ids?: string }): string;
  readonly rules: readonly Rule[];
}

/** A Service with endpoints named by the last part of their address: a, b, c, … */
function bench(options: Partial<ChooserOptions>, spec: ServiceSpec = {}, annotations: Record<string, string> = {}, letters = "abc"): Bench {
  const clock = new VirtualClock();
  const table = compileService(
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace: "ns", name: "svc", annotations },
      spec: { type: "NodePort", clusterIP: "127.96.0.5", ports: [{ port: 80, nodePort: 30_080 }], ...spec },
    },
    [
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { namespace: "ns", name: "svc-1" },
        addressType: "IPv4",
        ports: [{ port: 80 }],
        endpoints: [...letters].map((letter) => ({ addresses: [`127.244.0.${letter.charCodeAt(0)}`] })),
      },
    ],
  );
  const port = table.ports[0];
  if (!port) throw new Error("no port");
  const rules = rulesOf(port);
  const chooser = new Chooser({ mode: "iptables", random: seededRandom("bench"), clock, ...options });
  const letterOf = (endpoint: ProxyEndpoint): string => String.fromCharCode(Number(endpoint.ip.split(".")[3]));
  return {
    clock,
    chooser,
    rules,
    pick(client, { node = "n1", rule = 0, ids = letters } = {}) {
      const candidates = (categorize(port, { name: node, addresses: [], zone: "" }).cluster ?? []).filter((endpoint) =>
        ids.includes(letterOf(endpoint)),
      );
      const target = rules[rule];
      const choice = target && chooser.pick(target, candidates, node, client);
      return choice ? letterOf(choice.endpoint) : "-";
    },
  };
}
const times = (count: number, pick: (i: number) => string): string => Array.from({ length: count }, (_, i) => pick(i)).join("");

t.test("random: uniform, seeded, and one client does not disturb another", async (t) => {
  const alone = bench({});
  const together = bench({});
  const sequence = times(50, () => alone.pick("127.0.0.1"));
  t.equal(
    times(50, (i) => (together.pick(`127.0.0.${2 + i}`), together.pick("127.0.0.1"))),
    sequence,
  );
  const other = bench({ random: seededRandom("other") });
  t.not(
    times(50, () => other.pick("127.0.0.1")),
    sequence,
    "another seed, another sequence",
  );
  for (const clients of [1, 3000]) {
    const { pick } = bench({ mode: "nftables" });
    const picked = [...times(3000, (i) => pick(`c${i % clients}`))];
    const chi2 = ["a", "b", "c"].reduce((sum, letter) => sum + (picked.filter((one) => one === letter).length - 1000) ** 2 / 1000, 0);
    t.ok(chi2 < 13.8, `${clients} clients: χ² = ${chi2} (99.9 % quantile, 2 degrees of freedom)`);
  }
});

t.test("ipvs takes turns per node and virtual server; userspace per node and ServicePort", async (t) => {
  const ipvs = bench({ mode: "ipvs" });
  t.equal(
    times(6, (i) => ipvs.pick(`c${i}`)),
    "abcabc",
  );
  t.equal(
    times(3, () => ipvs.pick("c", { node: "n2" })),
    "abc",
    "another node has its own turn",
  );
  t.equal(
    times(2, () => ipvs.pick("c", { rule: 1 })),
    "ab",
    "and so has the NodePort",
  );
  const userspace = bench({ mode: "userspace" });
  t.equal(userspace.pick("c") + userspace.pick("c", { rule: 1 }) + userspace.pick("c"), "abc", "one turn for ClusterIP and NodePort");
  const hashed = bench({ mode: "userspace" }, {}, { "loopkube.dev/balancer": "ring-hash" });
  t.equal(new Set(times(20, () => hashed.pick("c"))).size, 1, "the annotation selects an algorithm in userspace mode");
  const weighted = bench({ mode: "ipvs", scheduler: "sh" });
  t.equal(new Set(times(20, () => weighted.pick("c"))).size, 1, "--scheduler selects one in ipvs mode");
});

t.test("ClientIP affinity: kept, renewed by use, ended by its timeout or its endpoint's end", async (t) => {
  for (const mode of ["iptables", "nftables", "ipvs", "userspace"] as const) {
    const { pick, clock, chooser, rules } = bench(
      { mode },
      { sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 100 } } },
      {},
      "abcdefghij",
    );
    const first = pick("me");
    t.equal(
      times(20, () => pick("me")),
      first.repeat(20),
      `${mode}: kept`,
    );
    for (let i = 0; i < 5; i++) {
      await clock.advance(90_000);
      t.equal(pick("me"), first, `${mode}: renewed by each use`);
    }
    const rest = "abcdefghij".replace(first, "");
    const moved = pick("me", { ids: rest });
    t.not(moved, first, `${mode}: the endpoint is gone`);
    await clock.advance(101_000);
    chooser.affinity.sweep(clock.now());
    t.equal(chooser.affinity.size, 0, `${mode}: timed out`);
    pick("me");
    const port = rules[0]?.port;
    if (port) chooser.changed(port, undefined);
    t.equal(chooser.affinity.size, 0, `${mode}: forgotten with the Service`);
  }
});

t.test("a hundred thousand endpoints with a Local policy are sorted out in one pass", async (t) => {
  const endpoints = Array.from({ length: 100_000 }, (_, i) => ({
    addresses: [`127.${128 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`],
    nodeName: i % 2 === 0 ? "n1" : "n2",
  }));
  const { ports } = compileService(
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace: "ns", name: "large" },
      spec: { type: "NodePort", clusterIP: "127.96.0.5", externalTrafficPolicy: "Local", ports: [{ port: 80, nodePort: 30_080 }] },
    },
    [
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { name: "s" },
        addressType: "IPv4",
        ports: [{ port: 80 }],
        endpoints,
      },
    ],
  );
  const [port] = ports;
  if (!port) return t.fail("no port");
  const startedAt = performance.now();
  const sets = categorize(port, { name: "n1", addresses: [], zone: "" });
  t.same([sets.cluster?.length, sets.local?.length, sets.reachable.length], [100_000, 50_000, 100_000]);
  t.ok(performance.now() - startedAt < 2000, "quadratic work would take minutes");
});
