// The order of addresses: shuffled, by weight, preferred subnets first. Facts: CoreDNS 1.14.7, plugin/loadbalance.
import t from "tap";
import { shuffleAddresses } from "../../dns/plugins/loadbalance.ts";
import { dataText } from "../../dns/record.ts";
import type { ResourceRecord } from "../../dns/record.ts";
import { VirtualClock } from "../../model/clock.ts";
import { seededRandom } from "../../model/random.ts";
import { refuses, takes, testChain } from "./plugin-harness.ts";

const NAME = "w1.example.";
const HOSTS =
  "hosts {\n 192.168.1.14 w1.example\n 192.168.1.15 w1.example\n 10.0.0.1 w1.example\n fd00::1 w1.example\n fd01::1 w1.example\n}";
const chain = (loadbalance: string, files: Record<string, string> = {}, clock = new VirtualClock()) => {
  const { ask, lines } = testChain(`. {\n${loadbalance}\n${HOSTS}\n}`, [], { files, clock });
  return { lines, order: async (type = "A"): Promise<readonly string[]> => (await ask(NAME, type)).answers.map(dataText) };
};

t.test("weights: each comes first as often as the file says, 1 when it does not", async (t) => {
  const files = { "/w": "# weights\n\nw1.example\n192.168.1.14 6\n192.168.1.15    3\nother.example.\n10.0.0.1 99\n" };
  const { order } = chain("loadbalance weighted /w", files);
  const firsts = new Map<string, number>();
  for (let i = 0; i < 2000; i++) {
    const [first = "", ...rest] = await order();
    if (rest.length !== 2) t.fail("one is missing");
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  const share = (ip: string): number => (firsts.get(ip) ?? 0) / 2000;
  t.ok(Math.abs(share("192.168.1.14") - 0.6) < 0.05, `${share("192.168.1.14")} of 0.6`);
  t.ok(Math.abs(share("192.168.1.15") - 0.3) < 0.05, `${share("192.168.1.15")} of 0.3`);
  t.ok(Math.abs(share("10.0.0.1") - 0.1) < 0.05, `${share("10.0.0.1")} of 0.1`);
});

t.test("a weight file that changes, comes late, or goes bad", async (t) => {
  const clock = new VirtualClock();
  const files: Record<string, string> = {};
  const { order, lines } = chain("loadbalance weighted /w {\n reload 10s\n}", files, clock);
  const always = async (ip: string): Promise<boolean> => {
    for (let i = 0; i < 30; i++) if ((await order())[0] !== ip) return false;
    return true;
  };
  files["/w"] = "w1.example\n10.0.0.1 255";
  t.notOk(await always("10.0.0.1"));
  await clock.advance(10_000);
  let first = 0;
  for (let i = 0; i < 200; i++) if ((await order())[0] === "10.0.0.1") first++;
  t.ok(first > 180, `${first} of 200`);
  files["/w"] = "w1.example\n10.0.0.1 256";
  await clock.advance(10_000);
  await order();
  delete files["/w"];
  await clock.advance(10_000);
  await order();
  t.strictSame(lines, [
    "[WARNING] plugin/loadbalance: Failed to open weight file:failed to open weight file. Will try again in 10s",
    "[INFO] plugin/loadbalance: Successfully reloaded weight file /w",
    '[ERROR] plugin/loadbalance: wrong weight value:"256" in weight file /w',
    "[ERROR] plugin/loadbalance: failed to open weight file",
  ]);
});

t.test("weight files that cannot be used", async (t) => {
  const rows: readonly [text: string, message: string][] = [
    ["w1,example\n192.168.1.14 6 7", "could not parse weight line"],
    ["192.168.1.14", "wrong domain name"],
    ["192.168.1.14 1", "missing domain name"],
    ["w1.example\n192.168.1.300 100", "wrong IP address"],
    ["w1.example\n192.168.1.14 a300", "wrong weight value"],
    ["w1.example\n192.168.1.14 0", "wrong weight value"],
  ];
  for (const [text, message] of rows)
    t.throws(() => chain("loadbalance weighted /w", { "/w": text }), { message: new RegExp(message) }, text);
});

t.test("preferred subnets come first, in their order", async (t) => {
  const { order } = chain("loadbalance {\n prefer 10.0.0.0/8 192.168.1.15/32 fd01::/16\n}");
  for (let i = 0; i < 20; i++) {
    t.strictSame(await order(), ["10.0.0.1", "192.168.1.15", "192.168.1.14"]);
    t.strictSame(await order("AAAA"), ["fd01::1", "fd00::1"]);
  }
});

t.test("the shuffle leaves what is no address in its place", async (t) => {
  const random = seededRandom(1);
  const record = (type: "A" | "AAAA" | "CNAME" | "MX", value: string): ResourceRecord =>
    type === "CNAME"
      ? { name: "x.", ttl: 5, type, target: value }
      : type === "MX"
        ? { name: "x.", ttl: 5, type, preference: 1, exchange: value }
        : { name: "x.", ttl: 5, type, address: value };
  const given = [
    record("MX", "m1."),
    record("A", "1.1.1.1"),
    record("A", "2.2.2.2"),
    record("CNAME", "y."),
    record("MX", "m2."),
    record("AAAA", "::1"),
  ];
  const before = JSON.stringify(given);
  const firsts = new Map<string, number>();
  for (let i = 0; i < 600; i++) {
    const types = shuffleAddresses(given, random).map((each) => each.type);
    if (types[0] !== "CNAME" || types.slice(4).join() !== "MX,MX") t.fail(types.join());
    const [, first] = shuffleAddresses(given, random).map(dataText);
    firsts.set(first ?? "", (firsts.get(first ?? "") ?? 0) + 1);
  }
  t.equal(JSON.stringify(given), before, "what it was given is left alone");
  for (const [address, count] of firsts) t.ok(count > 140 && count < 260, `${address} came first ${count} times of 600`);
});

t.test("stanzas that are refused", async (t) => {
  refuses(t, [
    ["loadbalance fleeb", "unknown policy: fleeb"],
    ["loadbalance round_robin a", "unknown property for round_robin"],
    ["loadbalance weighted", "missing weight file argument"],
    ["loadbalance weighted a b", "unexpected argument(s)"],
    ["loadbalance weighted w {\n susu\n}", "unknown property 'susu'"],
    ["loadbalance weighted w {\n prefer 10.0.0.0/8\n}", "unknown property 'prefer'"],
    ["loadbalance weighted w {\n reload a\n}", "invalid reload duration 'a'"],
    ["loadbalance weighted w {\n reload 30s  a\n}", "unexpected argument"],
    ["loadbalance weighted w {\n reload 0\n}", "failed to open weight file"],
    ["loadbalance {\n prefer 10.0.0.0\n}", 'invalid CIDR "10.0.0.0": invalid CIDR address: 10.0.0.0'],
  ]);
});

t.test("stanzas that are taken", async (t) => {
  takes(t, ["loadbalance round_robin"]);
});
