// The ipvs text: a virtual server per address, its real servers, and draining ones with weight 0.
import t from "tap";
import { ipvsRuleset } from "../../../proxy/rulesets/ipvs-ruleset.ts";
import { compileService, Rules } from "../../../proxy/index.ts";
import { overall, service, slice } from "./overall-services.ts";

t.test("as ipvsadm -Ln lists it", async (t) => {
  const none = new Map<string, number>();
  const text = ipvsRuleset(
    { ...overall(), service: "ns4/svc4" },
    {
      scheduler: () => "rr",
      openFlows: (rule) =>
        rule.destination === "ClusterIP"
          ? new Map([
              ["10.180.0.4:80", 3],
              ["10.180.0.9:80", 1],
            ])
          : none,
    },
  );
  t.equal(
    text,
    `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  172.30.0.44:80 rr
  -> 10.180.0.4:80                Masq    1      3          0
  -> 10.180.0.5:80                Masq    1      0          0
  -> 10.180.0.9:80                Masq    0      1          0
TCP  192.168.99.33:80 rr
  -> 10.180.0.4:80                Masq    1      0          0
  -> 10.180.0.5:80                Masq    1      0          0
`,
  );
});

t.test("persistence and NodePorts", async (t) => {
  const text = ipvsRuleset({ ...overall(), service: "ns5/svc5" }, { scheduler: () => "wlc", openFlows: () => new Map() });
  t.match(text, "TCP  192.168.0.2:3002 wlc persistent 10800\n");
});

t.test("only TCP drains: other protocols lose a server at once (k8s pkg/proxy/ipvs/util IsRsGracefulTerminationNeeded)", async (t) => {
  for (const [protocol, drains] of [
    ["TCP", true],
    ["UDP", false],
    ["SCTP", false],
  ] as const) {
    const rules = new Rules();
    const object = service(1, { ports: [{ name: "p80", port: 80, protocol }] });
    rules.set(
      "ns1/svc1",
      compileService(object, [{ ...slice([{ addresses: ["10.180.0.1"] }]), ports: [{ name: "p80", port: 80, protocol }] }]),
    );
    const text = ipvsRuleset({ ...overall(), rules }, { scheduler: () => "rr", openFlows: () => new Map([["10.180.0.9:80", 2]]) });
    t.equal(text.includes("10.180.0.9:80"), drains, protocol);
  }
});
