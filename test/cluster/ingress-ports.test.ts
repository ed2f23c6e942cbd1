// Ports that the Ingress controller's Service gets beyond http and https are on 127.0.0.1, under their own number where it is free.
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import t from "tap";
import { startCluster } from "../../cluster/index.ts";
import type { JsonObject } from "../../model/object.ts";
import { Services } from "../../model/resources.ts";

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  await Promise.all(servers.map((server) => once(server, "close")));
  return ports;
}

await t.test("they come and go with the Service", async (t) => {
  await using cluster = await startCluster({ nodes: 1 });
  await cluster.ready();
  const [free = 0, udp = 0] = await freePorts(2);
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  t.teardown(() => void taken.close());
  const busy = (taken.address() as AddressInfo).port;
  const ports = async (wanted: readonly (readonly [port: number, protocol: "TCP" | "UDP"])[]): Promise<JsonObject> => {
    await cluster.store.mutate(Services, "ingress-nginx", "ingress-nginx-controller", (edited) => {
      const own = (edited.spec.ports ?? []).filter(({ port }) => port === 80 || port === 443);
      edited.spec.ports = [...own, ...wanted.map(([port, protocol]) => ({ name: `p${port}`, port, targetPort: port, protocol }))];
    });
    await cluster.settle();
    return cluster.status()["ingress"] as JsonObject;
  };
  t.strictSame(Object.keys(await ports([])), ["http", "https"]);
  const some = await ports([[free, "TCP"], [busy, "TCP"], [udp, "UDP"]]); // prettier-ignore
  t.equal((some["tcp"] as JsonObject)[String(free)], `127.0.0.1:${free}`);
  t.match((some["tcp"] as JsonObject)[String(busy)], /^127\.0\.0\.1:\d+$/);
  t.not((some["tcp"] as JsonObject)[String(busy)], `127.0.0.1:${busy}`, "another program has it");
  t.strictSame(some["udp"], { [udp]: `127.0.0.1:${udp}` });
  t.strictSame(Object.keys(await ports([])), ["http", "https"]);
});
