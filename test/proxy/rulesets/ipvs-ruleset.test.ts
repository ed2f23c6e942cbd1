// The ipvs text: a virtual server per address, its real servers, and draining ones with weight 0.
import t from "tap";
import { ipvsRuleset } from "../../../proxy/rulesets/ipvs-ruleset.ts";
import { overall } from "./overall-services.ts";

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
