// The address plan as a table: blocks per index, what is a cluster address, where a listener is tried.
import t from "tap";
import { claimClusterIndex, createAddressPlan, createPodIpam, hostPort } from "../../netsim/index.ts";

t.test("blocks", async (t) => {
  const rows: [number, string][] = [
    [0, "127.244.0.0/16 127.96.0.0/16 127.18.0.0/16 127.18.255.0/24 127.96.0.10 127.96.0.1 127.18.0.2 127.244.1.0/24"],
    [1, "127.243.0.0/16 127.97.0.0/16 127.19.0.0/16 127.19.255.0/24 127.97.0.10 127.97.0.1 127.19.0.2 127.243.1.0/24"],
    [63, "127.181.0.0/16 127.159.0.0/16 127.81.0.0/16 127.81.255.0/24 127.159.0.10 127.159.0.1 127.81.0.2 127.181.1.0/24"],
  ];
  for (const [index, expected] of rows) {
    const plan = createAddressPlan({ kind: "direct", index });
    const text = [plan.pods, plan.services, plan.nodes, plan.loadBalancers, plan.dnsIp, plan.apiIp, plan.nodeIp(0), plan.podCidrOf(1)].join(
      " ",
    );
    t.equal(text, expected, `index ${index}`);
  }
});

t.test("dual-stack: IPv6 blocks beside the IPv4 ones", async (t) => {
  const rows: [number, string][] = [
    [0, "fd00:0:244::/56 fd00:0:96::/112 fd00:0:18::/112 fd00:0:18::ff00/120 fd00:0:96::a fd00:0:96::1 fd00:0:18::2 fd00:0:244:1::/64"],
    [7, "fd00:7:244::/56 fd00:7:96::/112 fd00:7:18::/112 fd00:7:18::ff00/120 fd00:7:96::a fd00:7:96::1 fd00:7:18::2 fd00:7:244:1::/64"],
    [
      63,
      "fd00:63:244::/56 fd00:63:96::/112 fd00:63:18::/112 fd00:63:18::ff00/120 fd00:63:96::a fd00:63:96::1 fd00:63:18::2 fd00:63:244:1::/64",
    ],
  ];
  for (const [index, expected] of rows) {
    const plan = createAddressPlan({ kind: "mapped", index, ipFamilies: ["IPv4", "IPv6"] });
    const six = plan.secondary;
    t.equal(String(plan.pods), `127.${244 - index}.0.0/16`);
    t.equal(
      [six?.pods, six?.services, six?.nodes, six?.loadBalancers, six?.dnsIp, six?.apiIp, six?.nodeIp(0), six?.podCidrOf(1)].join(" "),
      expected,
      `index ${index}`,
    );
  }
  t.equal(createAddressPlan({ kind: "mapped", index: 0, ipFamilies: ["IPv4"] }).secondary, undefined);
  const plan = createAddressPlan({ kind: "mapped", index: 0, ipFamilies: ["IPv4", "IPv6"] });
  const places: [string, string | undefined, string][] = [
    ["127.96.0.10", "service", "127.0.0.1:0"],
    ["127.18.0.2", "node", "127.0.0.1:80 127.0.0.1:0"],
    ["fd00:0:244:1::2", "pod", "[::1]:0 127.0.0.1:0"],
    ["fd00:0:96::a", "service", "[::1]:0 127.0.0.1:0"],
    ["fd00:0:18::2", "node", "[::1]:80 [::1]:0 127.0.0.1:0"],
    ["fd00:0:18::ff01", "load-balancer", "[::1]:0 127.0.0.1:0"],
    ["fd00:1:96::a", undefined, "[::1]:0 127.0.0.1:0"],
    ["::1", undefined, "[::1]:0 127.0.0.1:0"],
  ];
  for (const [ip, block, candidates] of places) {
    t.equal(plan.blockOf(ip), block, ip);
    t.equal(plan.candidates({ ip, port: 80 }, "TCP").map(hostPort).join(" "), candidates, ip);
  }
});

t.test("no two indexes share an address", async (t) => {
  const blocks = Array.from({ length: 64 }, (_, index) => createAddressPlan({ kind: "direct", index })).flatMap((plan) =>
    [plan.pods, plan.services, plan.nodes].map(String),
  );
  t.equal(new Set(blocks).size, 192);
});

t.test("blockOf", async (t) => {
  const plan = createAddressPlan({ kind: "direct", index: 0 });
  const rows: [string, string | undefined][] = [
    ["127.244.0.0", "pod"],
    ["127.244.255.255", "pod"],
    ["127.245.0.0", undefined],
    ["127.96.0.10", "service"],
    ["127.18.0.2", "node"],
    ["127.18.255.7", "load-balancer"],
    ["127.0.0.1", undefined],
    ["10.96.0.1", undefined],
    ["::1", undefined],
    ["127.96.0", undefined],
    ["127.96.0.1.2", undefined],
    ["127.96.0.256", undefined],
    ["", undefined],
  ];
  for (const [ip, block] of rows) {
    t.equal(plan.blockOf(ip), block, ip);
    t.equal(plan.isClusterAddress(ip), block !== undefined, ip);
  }
});

t.test("candidates", async (t) => {
  const direct = createAddressPlan({ kind: "direct", index: 0 });
  const mapped = createAddressPlan({ kind: "mapped", index: 0 });
  const six = createAddressPlan({
    kind: "mapped",
    index: 0,
    podCidr: "fd00:10:244::/56",
    serviceCidr: "fd00:10:96::/112",
    nodeCidr: "fc00:18::/64",
    loopback: "::1",
  });
  const rows: [typeof direct, string, number, string][] = [
    [direct, "127.96.0.12", 80, "127.96.0.12:80 127.96.0.12:8080 127.0.0.1:0"],
    [direct, "127.96.0.10", 53, "127.96.0.10:53 127.96.0.10:8053 127.0.0.1:0"],
    [direct, "127.244.1.2", 60000, "127.244.1.2:60000 127.0.0.1:0"],
    [mapped, "127.96.0.12", 80, "127.0.0.1:0"],
    [mapped, "127.18.0.2", 30080, "127.0.0.1:30080 127.0.0.1:0"],
    [six, "fd00:10:96::a", 53, "[::1]:0"],
    [six, "fc00:18::2", 30080, "[::1]:30080 [::1]:0"],
  ];
  for (const [plan, ip, port, expected] of rows)
    t.equal(plan.candidates({ ip, port }, "TCP").map(hostPort).join(" "), expected, `${ip}:${port}`);
  t.equal(six.blockOf("fd00:10:244:0:1::2"), "pod");
});

t.test("bad plans are refused", async (t) => {
  const rows: [() => unknown, string][] = [
    [() => createAddressPlan({ kind: "direct", index: 64 }), "cluster index 64 is not in 0…63"],
    [
      () => createAddressPlan({ kind: "direct", index: 0, serviceCidr: "10.96.0.0/16" }),
      "service block 10.96.0.0/16 is not loopback: the direct address plan needs blocks in 127.0.0.0/8 (use the mapped plan)",
    ],
    [
      () => createAddressPlan({ kind: "direct", index: 0, podCidr: "127.96.0.0/12" }),
      "pod block 127.96.0.0/12 overlaps service block 127.96.0.0/16",
    ],
    [() => createAddressPlan({ kind: "mapped", index: 0, podCidr: "banana" }), "invalid CIDR address: banana"],
    [
      () => createAddressPlan({ kind: "direct", index: 0, ipFamilies: ["IPv4", "IPv6"] }),
      "dual-stack needs the mapped address plan: IPv6 has no loopback block whose addresses could be dialled directly",
    ],
    [
      () => createAddressPlan({ kind: "mapped", index: 0, ipFamilies: ["IPv4", "IPv6"], podCidr: "fd00:10:244::/56" }),
      "pod block fd00:10:244::/56 is not IPv4: in a dual-stack cluster IPv4 is the first family",
    ],
    [
      () => createAddressPlan({ kind: "mapped", index: 0, ipFamilies: ["IPv6"] }),
      "IP families IPv6 are not supported: use IPv4, or IPv4,IPv6 for dual-stack",
    ],
  ];
  for (const [make, message] of rows) t.throws(make, { message });
});

t.test("pod addresses", async (t) => {
  const ipam = createPodIpam({ podCidr: "127.244.0.0/16", nodeCidrPrefix: 28 });
  const all = Array.from({ length: 13 }, () => ipam.allocate(1));
  t.equal(all[0], "127.244.0.18", "never the block's first two");
  t.equal(all[12], "127.244.0.30", "never its last");
  t.throws(() => ipam.allocate(1), { message: "no IP addresses available in range set: 127.244.0.18-127.244.0.30" });
  ipam.release("127.244.0.20");
  ipam.release("127.244.0.18");
  ipam.release("127.244.0.18");
  ipam.release("192.0.2.1");
  t.same([ipam.allocate(1), ipam.allocate(1)], ["127.244.0.20", "127.244.0.18"], "the longest free first");
  t.throws(() => ipam.allocate(1), /no IP addresses available/);
  t.throws(() => ipam.allocate(4096), { message: "pod block 127.244.0.0/16 has no /28 for node 4096" });
  const other = createPodIpam({ podCidr: "127.244.0.0/16" });
  const first = other.allocate(0);
  other.release(first);
  t.not(other.allocate(0), first, "a replaced pod gets a new address");
});

t.test("cluster indexes are claimed apart, and freed", async (t) => {
  const [a, b] = [await claimClusterIndex({ first: 56 }), await claimClusterIndex({ first: 56 })];
  t.not(a.index, b.index);
  await a.release();
  await a.release();
  const again = await claimClusterIndex({ first: a.index });
  t.equal(again.index, a.index);
  const held = [];
  let failure = "";
  while (failure === "") {
    try {
      held.push(await claimClusterIndex({ first: 60 }));
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
  }
  t.match(failure, /^no free cluster index: 127\.78\.0\.1:10250 … 127\.81\.0\.1:10250 are all in use/);
  for (const claim of [b, again, ...held]) await claim.release();
});
