// Names of chains against upstream's examples (cases/kube-proxy.json names the source) and a live cluster's well-known ones.
import t from "tap";
import { readFileSync } from "node:fs";
import { compileService } from "../../../proxy/index.ts";
import { iptablesEndpointChain, iptablesServiceChain, nftChainBase, nftEndpointChain } from "../../../proxy/rulesets/chain-names.ts";
import type { ServicePort } from "../../../proxy/index.ts";

interface Row {
  readonly kind: string;
  readonly input: string;
  readonly expected: string;
}
const cases = JSON.parse(readFileSync(new URL("../cases/kube-proxy.json", import.meta.url), "utf8")) as { nftChainNameCases: Row[] };

for (const { kind, input, expected } of cases.nftChainNameCases) {
  t.equal(nftChainBase(input), expected, `${kind} ${input.slice(0, 40)}`);
}

t.test("a name over 240 characters is cut with dots", async (t) => {
  const base = nftChainBase(`ns/svc/tcp/${"x".repeat(300)}`);
  t.equal(base.length, 240);
  t.match(base, /^[A-Z2-7]{8}-ns\/svc\/tcp\/x+\.\.\.$/);
});

const portOf = (namespace: string, name: string, portName: string, protocol: "TCP" | "UDP"): ServicePort => {
  const [port] = compileService(
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace, name },
      spec: { clusterIP: "127.96.0.10", ports: [{ name: portName, port: 53, protocol }] },
    },
    [],
  ).ports;
  if (!port) throw new Error("no port");
  return port;
};

const wellKnown = [
  ["default", "kubernetes", "https", "TCP", "KUBE-SVC-NPX46M4PTMTKRN6Y"],
  ["kube-system", "kube-dns", "dns", "UDP", "KUBE-SVC-TCOU7JCQXEZGVUNU"],
  ["kube-system", "kube-dns", "dns-tcp", "TCP", "KUBE-SVC-ERIFXISQEP7F7OF4"],
  ["kube-system", "kube-dns", "metrics", "TCP", "KUBE-SVC-JD5MR3NA4I4DYORP"],
  ["ns1", "svc1", "p80", "TCP", "KUBE-SVC-XPGD46QRK7WJZT7O"],
] as const;
for (const [namespace, name, portName, protocol, expected] of wellKnown) {
  t.equal(iptablesServiceChain("SVC", portOf(namespace, name, portName, protocol)), expected);
}

t.test("endpoints", async (t) => {
  const endpoint = (ip: string, port: number) => ({
    id: ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`,
    ip,
    port,
    node: "",
    ready: true,
    serving: true,
    terminating: false,
    zoneHints: [],
    nodeHints: [],
    pod: "",
  });
  const port = portOf("ns1", "svc1", "p80", "TCP");
  t.equal(iptablesEndpointChain(port, endpoint("10.180.0.1", 80)), "KUBE-SEP-SXIVWICOYRO3J4NJ");
  t.equal(nftEndpointChain(port, endpoint("10.180.0.1", 80)), "5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80");
  t.match(nftEndpointChain(port, endpoint("fd00::1", 80)), /-ns1\/svc1\/tcp\/p80__fd00\.\.1\/80$/);
});
