// Services below HTTP: requests, new connections and one bulk stream through a ClusterIP, to inline pods (handed over) and to a process pod
// (piped), beside the bare handler and HAProxy in TCP mode in front of it; datagrams through a Service beside straight to the pod;
// and what tracing and a NetworkPolicy cost.
import { type ChildProcess, fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bulkGbits } from "./bulk-client.ts";
import { comparison, type Load, type Server } from "./comparison.ts";
import { echoedPerSecond } from "./datagram-client.ts";
import type { L4Addresses, Switch } from "./l4-cluster.ts";
import { startPeer, temporaryFolder, waitForPort, wrk } from "./measure.ts";

const [BARE, HAPROXY] = [21_160, 21_161];

const url = ({ host, port }: Server): string => `http://${host}:${port}/`;
const keptAlive: Load = (server, seconds) => wrk(url(server), seconds);
const newConnections: Load = (server, seconds) => wrk(url(server), seconds, ["Connection: close"]);
const bulk: Load = ({ host, port }, seconds) => bulkGbits(host, port, seconds);
const datagrams: Load = ({ host, port }, seconds) => echoedPerSecond(host, port, seconds);

export async function benchL4(rounds: number, seconds: number): Promise<string> {
  using folder = temporaryFolder();
  const bare = startPeer(process.execPath, [join(import.meta.dirname, "bare-server.ts")], { PORT: String(BARE) });
  const haproxy = startPeer("haproxy", ["-db", "-f", haproxyConfig(folder.path)]);
  const cluster = fork(join(import.meta.dirname, "l4-cluster.ts"), { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  try {
    const addresses = await started(cluster);
    for (const port of [BARE, HAPROXY]) await waitForPort("127.0.0.1", port);
    const inCluster = (name: string, host: string): Server => ({ name, host, port: 8080, pids: [cluster.pid ?? 0] });
    const inline = inCluster("ClusterIP → inline pods", addresses.inline);
    const tcp: readonly Server[] = [
      { name: "bare Node handler", host: "127.0.0.1", port: BARE, pids: [bare.process.pid ?? 0] },
      { name: "HAProxy (tcp) → bare handler", host: "127.0.0.1", port: HAPROXY, pids: [haproxy.process.pid ?? 0, bare.process.pid ?? 0] },
      inline,
      inCluster("ClusterIP → inline pod on node:http", addresses.node),
      inCluster("ClusterIP → process pod", addresses.process),
    ];
    const udp = [inCluster("straight to the pod", addresses.echoPod), inCluster("through the Service", addresses.echo)];
    const switched = (name: string, on: readonly Switch[]): Server => ({ ...inline, name, before: () => turn(cluster, on) });
    const costs = [switched("neither", []), switched("tracing", ["trace"]), switched("tracing and a policy", ["trace", "policy"])];
    const compare = (title: string, unit: string, servers: readonly Server[], load: Load): Promise<string> =>
      comparison(title, unit, servers, load, rounds, seconds);
    return [
      await compare("Requests, kept alive (`wrk -t1 -c64`)", "requests/s", tcp, keptAlive),
      await compare("New connections (`wrk -t1 -c64`, `Connection: close`)", "connections/s", tcp, newConnections),
      await compare("One bulk stream", "Gbit/s", tcp, bulk),
      await compare("UDP echo, 64 datagrams under way", "datagrams/s", udp, datagrams),
      await compare("New connections to inline pods with tracing and policy", "connections/s", costs, newConnections),
    ].join("\n");
  } finally {
    cluster.kill("SIGTERM");
    await Promise.all([bare.close(), haproxy.close()]);
  }
}

function haproxyConfig(folder: string): string {
  const path = join(folder, "haproxy.cfg");
  const timeouts = "  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n";
  const listen = `listen web\n  bind 127.0.0.1:${HAPROXY}\n  server bare 127.0.0.1:${BARE}\n`;
  writeFileSync(path, `global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode tcp\n${timeouts}${listen}`);
  return path;
}

function started(cluster: ChildProcess): Promise<L4Addresses> {
  return new Promise((resolve, reject) => {
    cluster.once("message", (addresses) => resolve(addresses as L4Addresses));
    cluster.once("exit", (code) => reject(new Error(`the cluster ended with code ${code}`)));
  });
}

/** Switches on what is named and off what is not. */
async function turn(cluster: ChildProcess, on: readonly Switch[]): Promise<void> {
  for (const what of ["trace", "policy"] satisfies Switch[]) {
    const done = new Promise((resolve) => cluster.once("message", resolve));
    cluster.send({ what, on: on.includes(what) });
    await done;
  }
}
