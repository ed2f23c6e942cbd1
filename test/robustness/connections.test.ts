// Ten thousand connections at once through one Service, and a hundred thousand one after the other: nothing is left of them.
import t from "tap";
import type { Cluster } from "../../cluster/index.ts";
import type { Peer } from "../../model/ports.ts";
import { Services } from "../../model/resources.ts";
import { descriptorLimit } from "../../netsim/descriptor-budget.ts";
import { app, descriptors, memoryBytes, socketOf, startRobust } from "./robust-cluster.ts";
import { until } from "../support/until.ts";
import { Swarm } from "./swarm.ts";

const HOST: Peer = { kind: "host", ip: "127.0.0.1" };
const WANTED = 10_000;
const RESERVE = 512;

t.test("ten thousand connections open at once", async (t) => {
  const cluster = await startRobust(t);
  await cluster.apply(app("line", "test/line", 4));
  await cluster.ready();
  const at = await socketOf(cluster, "line");
  await using swarm = new Swarm();
  await swarm.run({ type: "churn", ...at, purpose: "e", total: 200, parallel: 50 });
  await until(() => cluster.fabric.stats().live === 0);
  const before = { descriptors: descriptors(), memory: memoryBytes() };

  const total = Math.min(WANTED, descriptorLimit() - RESERVE);
  const opened = await swarm.run({ type: "open", ...at, purpose: "e", total, parallel: 256 });
  t.strictSame(opened, { held: total, failures: {}, ended: {} });
  const asked = await swarm.run({ type: "ask" });
  t.strictSame(asked, { held: total, failures: {}, ended: {} }, "every one of them answers");
  await until(() => cluster.fabric.stats().live === total);
  t.equal(cluster.fabric.stats().descriptors.open >= total, true, "each is counted");
  t.comment(`${total} connections at once, ${Math.round((memoryBytes() - before.memory) / total)} bytes each`);

  await swarm.run({ type: "drop", reset: true });
  await until(() => cluster.fabric.stats().live === 0);
  t.equal(cluster.fabric.stats().descriptors.refused, 0);
  await until(() => descriptors() === before.descriptors);
  await until(() => memoryBytes() - before.memory < 6e6);
});

t.test("a hundred thousand opened and closed", async (t) => {
  const cluster = await startRobust(t);
  await cluster.apply(app("line", "test/line", 4));
  await cluster.ready();
  const at = await socketOf(cluster, "line");
  await using swarm = new Swarm();
  const round = async (inMemory: number, real: number): Promise<void> => {
    const answer = await swarm.run({ type: "churn", ...at, purpose: "e", total: real, parallel: 100 });
    t.strictSame(answer.failures, {});
    await dialInMemory(cluster, inMemory);
    await until(() => cluster.fabric.stats().live === 0);
  };
  await round(2000, 1000);
  const before = { ...cluster.fabric.stats(), fds: descriptors(), memory: memoryBytes() };
  await round(90_000, 10_000);
  const after = cluster.fabric.stats();
  t.equal(after.delivered - before.delivered >= 100_000, true, `${after.delivered - before.delivered} connections`);
  t.equal(after.closed - before.closed, after.delivered - before.delivered, "each that began has ended");
  t.equal(after.descriptors.open, before.descriptors.open);
  await until(() => descriptors() === before.fds);
  await until(() => memoryBytes() - before.memory < 6e6);
});

/** As a program of this process would: connect, one byte there and back, close. */
async function dialInMemory(cluster: Cluster, total: number): Promise<void> {
  const ip = cluster.store.get(Services, "default", "line")?.spec.clusterIP ?? "";
  const one = async (): Promise<void> => {
    const socket = await cluster.fabric.dial(HOST, { ip, port: 9000 });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("data", () => socket.destroy());
      socket.once("close", resolve);
      socket.write("ex");
    });
  };
  let left = total;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: 100 }, worker));
}
