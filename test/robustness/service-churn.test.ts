// A thousand Services come and go, and clients of the API are killed in the middle of their watches, while traffic runs.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import t from "tap";
import type { Service } from "../../model/kinds/core-v1.ts";
import { EndpointSlices, Services } from "../../model/resources.ts";
import { app, descriptors, memoryBytes, socketOf, startRobust, textOf, dial } from "./robust-cluster.ts";
import { until } from "../support/until.ts";
import { Swarm } from "./swarm.ts";

const SERVICES = 1000;

const service = (index: number, target = "line"): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: `churn-${index}`, namespace: "default" },
  spec: { selector: { app: target }, ports: [{ port: 9000 }] },
});

t.test("a thousand Services come and go under traffic", async (t) => {
  const cluster = await startRobust(t);
  await cluster.apply(app("line", "test/line", 3));
  await cluster.ready();
  const at = await socketOf(cluster, "line");
  await using established = new Swarm();
  await using churning = new Swarm();
  await established.run({ type: "open", ...at, purpose: "e", total: 100, parallel: 20 });
  const listeners = cluster.fabric.stats().listeners;
  const rounds = async (): Promise<void> => {
    const traffic = churning.run({ type: "churn", ...at, purpose: "e", total: 2000, parallel: 10 });
    await Promise.all(Array.from({ length: SERVICES }, (_, index) => cluster.store.create(Services, service(index))));
    await cluster.settle();
    t.ok(cluster.fabric.stats().listeners >= listeners + SERVICES, "each has its listener");
    const last = cluster.store.get(Services, "default", `churn-${SERVICES - 1}`)?.spec.clusterIP ?? "";
    t.match(await textOf(await dial({ ip: last, port: 9000 }, "n")), /^line-/);
    await Promise.all(Array.from({ length: SERVICES }, (_, index) => cluster.store.delete(Services, "default", `churn-${index}`)));
    await cluster.settle();
    t.strictSame((await traffic).failures, {}, "no connection of another Service is lost");
    t.equal(cluster.fabric.stats().listeners, listeners, "no listener is left");
    t.equal(cluster.store.list(EndpointSlices).filter(({ metadata }) => metadata.name.startsWith("churn-")).length, 0);
    await t.rejects(dial({ ip: last, port: 9000 }), { code: "ECONNREFUSED" });
  };
  await rounds();
  const before = { descriptors: descriptors(), memory: memoryBytes() };
  await rounds();
  t.match(await established.run({ type: "ask" }), { held: 100, failures: {}, ended: {} });
  t.equal(descriptors(), before.descriptors);
  await until(() => memoryBytes() - before.memory < 40e6);
});

t.test("clients of the API that are killed in the middle of a watch", async (t) => {
  const cluster = await startRobust(t);
  await cluster.apply(app("line", "test/line", 2));
  await cluster.ready();
  const before = descriptors() ?? 0;
  const env = { ...process.env };
  delete env["NODE_OPTIONS"];
  for (let round = 0; round < 3; round++) {
    const watcher = fork(fileURLToPath(new URL("./watching-client.ts", import.meta.url)), { env, execArgv: [] });
    watcher.send(cluster.kubeconfigEntry);
    await once(watcher, "message");
    const writes = Array.from({ length: 200 }, (_, index) => cluster.store.create(Services, service(index)));
    watcher.kill("SIGKILL");
    await Promise.all(writes);
    await once(watcher, "exit");
    await Promise.all(writes.map((_, index) => cluster.store.delete(Services, "default", `churn-${index}`)));
    await cluster.settle();
  }
  await until(() => (descriptors() ?? 0) <= before);
  t.match(await textOf(await dial(await socketOf(cluster, "line"), "n")), /^line-/);
  t.match(await cluster.apply(app("line", "test/line", 3)), [{}, {}], "the API goes on");
});
