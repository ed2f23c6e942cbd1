import t from "tap";
import type { Service, ServiceSpec } from "../../model/kinds/core-v1.ts";
import { compileService, Rules } from "../../proxy/index.ts";

const service = (name: string, spec: ServiceSpec): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace: "ns", name },
  spec: { ports: [{ port: 80 }], ...spec },
});
const put = (rules: Rules, object: Service): void => void rules.set(`ns/${object.metadata.name}`, compileService(object, []));

t.test("an address that two Services claim stays with the first while it lives", async (t) => {
  const rules = new Rules();
  const owner = (): string | undefined => rules.atAddress("127.18.200.1", 80, "TCP")?.port.name;
  put(rules, service("a", { clusterIP: "127.96.0.1", externalIPs: ["127.18.200.1"] }));
  put(rules, service("b", { clusterIP: "127.96.0.2", externalIPs: ["127.18.200.1"] }));
  t.equal(owner(), "a");
  put(rules, service("a", { clusterIP: "127.96.0.1", externalIPs: ["127.18.200.1"], sessionAffinity: "ClientIP" }));
  t.equal(owner(), "a", "a change keeps the place");
  rules.set("ns/a", undefined);
  t.equal(owner(), "b");
  rules.set("ns/b", undefined);
  t.equal(owner(), undefined);
});

t.test("a changed Service leaves nothing of its old self", async (t) => {
  const rules = new Rules();
  put(rules, service("a", { type: "NodePort", clusterIP: "127.96.0.1", ports: [{ port: 80, nodePort: 30_080 }] }));
  t.ok(rules.atNodePort(30_080, "TCP", "IPv4"));
  put(rules, service("a", { type: "NodePort", clusterIP: "127.96.0.1", ports: [{ port: 81, nodePort: 30_081 }] }));
  t.same([rules.atNodePort(30_080, "TCP", "IPv4"), rules.atAddress("127.96.0.1", 80, "TCP")], [undefined, undefined]);
  t.ok(rules.atAddress("127.96.0.1", 81, "TCP") && rules.atNodePort(30_081, "TCP", "IPv4") && rules.isClusterIP("127.96.0.1"));
  put(rules, service("a", { type: "ExternalName", externalName: "example.com" }));
  t.notOk(rules.atAddress("127.96.0.1", 81, "TCP") ?? rules.isClusterIP("127.96.0.1"));
  t.equal(rules.table("ns/a")?.ports.length, 0);
});
