// 10,000 TCP connections on which nothing is asked: as many stay as the server keeps, the others are closed politely, and it goes on answering.
import { fork } from "node:child_process";
import { once } from "node:events";
import t from "tap";
import { dnsCluster } from "./cluster.ts";
import { namespace } from "./objects.ts";

const [OPENED, KEPT] = [10_000, 1000];

t.test("10,000 idle connections", async (t) => {
  const cluster = await dnsCluster(t);
  await cluster.put(namespace("kube-system"));
  const ip = cluster.podIp(2);
  await cluster.runCoredns(ip);
  const at = cluster.fabric.socketOf({ ip, port: 53 }, "TCP");
  const child = fork(new URL("./idle-client.ts", import.meta.url), [at?.ip ?? "", String(at?.port), String(OPENED), String(KEPT)], {
    execArgv: [],
  });
  t.teardown(() => child.kill());
  const [report] = await once(child, "message");
  t.strictSame(report, { ended: OPENED - KEPT, reset: 0, other: [], stayed: KEPT, answer: true });
  t.equal(cluster.fabric.socketOf({ ip, port: 53 }, "TCP")?.port, at?.port, "the server is still there");
});
