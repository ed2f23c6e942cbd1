import fc from "fast-check";
import t from "tap";
import { bigIntToIp, canonicalIp, Cidr, ipFamily, ipToBigInt, isCidr, legacyIp, withoutLeadingZeros } from "../../model/ip.ts";

t.test("families and canonical text", (t) => {
  const rows: [text: string, family: string | undefined, canonical: string | undefined][] = [
    ["10.0.0.1", "IPv4", "10.0.0.1"],
    ["127.96.0.10", "IPv4", "127.96.0.10"],
    ["010.0.0.1", undefined, undefined],
    ["10.0.1", undefined, undefined],
    ["256.0.0.1", undefined, undefined],
    ["::1", "IPv6", "::1"],
    ["2001:DB8:0:0:0:0:0:1", "IPv6", "2001:db8::1"],
    ["::ffff:10.0.0.1", "IPv6", "10.0.0.1"],
    ["fe80::1%eth0", undefined, undefined],
    ["", undefined, undefined],
    ["web", undefined, undefined],
  ];
  for (const [text, family, canonical] of rows) {
    t.equal(ipFamily(text), family, `family of ${text}`);
    t.equal(canonicalIp(text), canonical, `canonical ${text}`);
  }
  t.end();
});

t.test("blocks", (t) => {
  const block = new Cidr("127.244.3.7/16");
  t.equal(block.toString(), "127.244.0.0/16");
  t.equal(block.size, 65_536n);
  t.ok(block.contains("127.244.255.255"));
  t.notOk(block.contains("127.245.0.0"));
  t.notOk(block.contains("::1"));
  t.equal(block.at(258), "127.244.1.2");
  t.equal(block.offsetOf("127.244.1.2"), 258n);
  t.equal(block.subnet(3, 24).toString(), "127.244.3.0/24");
  t.equal(new Cidr("2001:db8::/64").at(1), "2001:db8::1");
  for (const text of ["10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/-1", "::/129", ""]) t.notOk(isCidr(text), text);
  t.throws(() => new Cidr("x/8"), { message: "invalid CIDR address: x/8" });
  t.end();
});

t.test("numbers and text are the same addresses", (t) => {
  fc.assert(
    fc.property(fc.ipV4(), (ip) => bigIntToIp(ipToBigInt(ip), "IPv4") === ip),
    { seed: 7 },
  );
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (value) => ipToBigInt(bigIntToIp(value, "IPv6")) === value),
    { seed: 7 },
  );
  t.end();
});

t.test("leading zeros of old objects", async (t) => {
  for (const [text, expected] of [
    ["172.30.0.041", "172.30.0.41"],
    ["10.180.00.001", "10.180.0.1"],
    ["010.0.0.000", "10.0.0.0"],
    ["10.0.0.1", "10.0.0.1"],
    ["fd00::0001", "fd00::1"],
    ["1.2.3", undefined],
    ["1.2.3.0256", undefined],
    ["name", undefined],
  ] as const)
    t.equal(legacyIp(text), expected, text);
  t.equal(withoutLeadingZeros("203.0.113.000/025"), "203.0.113.0/25");
  t.equal(withoutLeadingZeros("fd00::/064"), "fd00::/64");
});
