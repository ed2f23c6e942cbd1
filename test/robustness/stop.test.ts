// A cluster is stopped while everything is busy: at once, and nothing is left.
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { request } from "node:https";
import t from "tap";
import { descriptorLimit } from "../../netsim/descriptor-budget.ts";
import { nextTurn } from "../../model/clock.ts";
import { app, descriptors, dial, podsOf, socketOf, startRobust } from "./robust-cluster.ts";
import { until } from "../support/until.ts";
import { Swarm } from "./swarm.ts";

/** Far less than what there is to wait for: pods have 30 s to end, latencies are 60 s, handshakes are tried for 127 s. */
const WITHIN_MS = 8000;
const UNDER_WAY = 60;

t.test("stopping a busy cluster", async (t) => {
  const before = descriptors();
  const cluster = await startRobust(t);
  await cluster.apply(app("line", "test/line", 3));
  await cluster.apply(app("slow", "test/patient", 2));
  await cluster.apply(app("proc", "test/line-process", 2));
  await cluster.ready();
  const [line, slow, proc] = [await socketOf(cluster, "line"), await socketOf(cluster, "slow"), await socketOf(cluster, "proc")];
  const status = cluster.status() as { ingress: { http: string }; dns: string; gateway: string };
  await using swarm = new Swarm();
  await using churning = new Swarm();
  const total = Math.min(2000, descriptorLimit() / 8);
  await swarm.run({ type: "open", ...line, purpose: "e", total, parallel: 100 });
  await swarm.run({ type: "open", ...slow, purpose: "e", total: 50, parallel: 50 });
  await swarm.run({ type: "open", ...proc, purpose: "e", total: 50, parallel: 50 });
  const streams = await Promise.all([dial(line, "s"), dial(proc, "s"), dial(line, "h"), dial(proc, "h"), dial(slow, "s")]);
  for (const socket of streams) socket.resume();
  const held = cluster.fabric.stats();
  const load = loads([`http://${status.ingress.http}/`, `http://${line.ip}:${line.port}/`]);
  t.teardown(() => load.forEach((program) => program.kill("SIGKILL")));
  const churn = churning.run({ type: "churn", ...line, purpose: "e", total: 1e9, parallel: 50 });
  churn.catch(() => {});
  const watches = await Promise.all(Array.from({ length: 20 }, () => watch(cluster.kubeconfigEntry)));
  const udp = createSocket("udp4").on("error", () => {});
  const [dnsIp = "", dnsPort = ""] = status.dns.split(":");
  let flooding = true;
  const flood = async (): Promise<void> => {
    for (; flooding; await new Promise((resolve) => setImmediate(resolve))) udp.send("garbage", Number(dnsPort), dnsIp, () => {});
  };
  const flooded = flood();
  t.teardown(() => (flooding = false));
  const writing = cluster.apply(app("more", "test/line", 50)).catch(() => {});
  const fetches = Array.from({ length: 20 }, () => cluster.fetch("http://nowhere.default.svc/").catch(() => {}));
  // A listener accepts one connection in a turn of the loop, and such turns are long: what is asked for is that all is under way, no more.
  await until(() => {
    const now = cluster.fabric.stats();
    return now.accepted > held.accepted + UNDER_WAY && now.closed > held.closed && now.datagrams > held.datagrams + UNDER_WAY;
  });

  const began = performance.now();
  await cluster.stop();
  const tookMs = performance.now() - began;
  t.comment(`stopped in ${tookMs.toFixed(0)} ms`);
  t.ok(tookMs < WITHIN_MS, `${tookMs.toFixed(0)} ms`);
  flooding = false;
  await flooded;
  udp.close();
  await Promise.all([writing, ...fetches]);
  await Promise.all(watches.map(({ ended }) => ended));
  for (const socket of streams) socket.destroy();
  for (const program of load) program.kill("SIGKILL");
  await Promise.all(load.map((program) => program.exitCode ?? program.signalCode ?? once(program, "exit")));
  await swarm[Symbol.asyncDispose]();
  await churning[Symbol.asyncDispose]();

  t.strictSame(cluster.fabric.stats().live, 0);
  t.strictSame(cluster.fabric.stats().listeners, 0);
  await until(() => left().length === 0).catch(() => t.strictSame(left(), [], "nothing is left"));
  if (before !== undefined) t.ok((descriptors() ?? 0) <= before + 1, `${before} descriptors before, ${descriptors()} after`);
});

const DENY = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {matchLabels: {app: denied}}, policyTypes: [Ingress]}
`;

t.test("clients that wait for an answer do not wait any longer", async (t) => {
  const cluster = await startRobust(t);
  for (const name of ["denied", "line", "client"]) await cluster.apply(app(name, "test/line"));
  await cluster.apply(app("proc", "test/line-process"));
  await cluster.ready();
  await cluster.apply(DENY);
  await cluster.fault({ from: "host", to: "svc/line", latency: "60s" });
  await cluster.fault({ from: "host", to: "svc/proc", latency: "60s" });
  await cluster.settle();
  const outcome = (answer: Promise<unknown>): Promise<unknown> =>
    answer.then(
      () => "answered",
      (error: NodeJS.ErrnoException) => error.code,
    );
  const from = `pod/${podsOf(cluster, "client")[0]}`;
  const { dropped, denied } = cluster.fabric.stats();
  const waiting = [
    cluster.fetch("http://denied:9000/", { from }),
    cluster.fetch("http://line:9000/"),
    cluster.fetch("http://proc:9000/"),
  ].map(outcome);
  const sockets = await Promise.all(["line", "proc"].map(async (name) => dial(await socketOf(cluster, name), "ex")));
  await until(
    () => cluster.fabric.stats().dropped + cluster.fabric.stats().denied > dropped + denied && cluster.fabric.stats().shaped >= 2,
  );

  const began = performance.now();
  await cluster.stop();
  t.ok(performance.now() - began < WITHIN_MS);
  t.strictSame(await Promise.all(waiting), ["ENETDOWN", "ENETDOWN", "ENETDOWN"]);
  for (const socket of sockets) socket.destroy();
  await until(() => left().length === 0).catch(() => t.strictSame(left(), [], "nothing is left"));
});

t.test("stopped while pods start", async (t) => {
  for (const turns of [0, 1, 5, 50, 500]) {
    const cluster = await startRobust(t);
    await cluster.apply(app("line", "test/line", 5));
    await cluster.apply(app("proc", "test/line-process", 3));
    for (let turn = 0; turn < turns; turn++) await nextTurn();
    const began = performance.now();
    await cluster.stop();
    t.ok(performance.now() - began < WITHIN_MS, `after ${turns} turns`);
    await until(() => left().length === 0).catch(() => t.strictSame(left(), [], "nothing is left"));
  }
});

/** What would keep this process alive. */
const left = (): readonly string[] => process.getActiveResourcesInfo().filter((name) => /TCP|UDP|Process|Timeout/.test(name));

/** Requests on connections that are kept alive, where there is a program for it. */
function loads(urls: readonly string[]): readonly ChildProcess[] {
  return urls.map((url) => spawn("wrk", ["-t1", "-c20", "-d60", url], { stdio: "ignore" }).on("error", () => {}));
}

/** A watch of all pods that is read until the server ends it. */
async function watch(config: ClusterEntry): Promise<{ readonly ended: Promise<void> }> {
  const decode = (value: unknown): string => Buffer.from(String(value), "base64").toString();
  const [entry, user] = [config.clusters[0]?.cluster, config.users[0]?.user];
  const url = new URL("/api/v1/pods?watch=1", String(entry?.["server"]));
  const outgoing = request(url, {
    ca: decode(entry?.["certificate-authority-data"]),
    cert: decode(user?.["client-certificate-data"]),
    key: decode(user?.["client-key-data"]),
    agent: false,
  });
  const ended = new Promise<void>((resolve) => outgoing.once("close", () => resolve()));
  outgoing.on("error", () => {});
  outgoing.end();
  const [response] = (await once(outgoing, "response")) as [NodeJS.ReadableStream];
  response.on("error", () => {});
  response.resume();
  return { ended };
}

interface ClusterEntry {
  readonly clusters: readonly { readonly cluster: Readonly<Record<string, unknown>> }[];
  readonly users: readonly { readonly user: Readonly<Record<string, unknown>> }[];
}
