// What the composition root itself can tell: where a program of this machine dials, and the hops of flows.
import { canonicalIp } from "../model/ip.ts";
import type { Diagnostics, ExplainAnswer, Hop, Peer, Protocol, SocketAddress } from "../model/ports.ts";
import { type Fabric, hostPort, isLoopback } from "../netsim/index.ts";
import type { HostPorts, PublishedPort } from "./host-ports.ts";

/** The step of an explanation between DNS and the proxy: the real socket behind a cluster address, or what a port of this machine stands for. */
export function listenerDiagnostics(fabric: Fabric, hostPorts: Pick<HostPorts, "at">): Diagnostics {
  return {
    name: "listener",
    async explain({ from, host, ip = canonicalIp(host), port, protocol }) {
      if (ip === undefined) return undefined;
      const published = from.kind === "pod" ? undefined : hostPorts.at({ ip, port });
      if (published) return publishedPort(hostPort({ ip, port }), published);
      const socket = fabric.socketOf({ ip, port }, protocol);
      if (!socket) return { title: "listener", lines: [`nothing listens at ${hostPort({ ip, port })}`], ip, port };
      const text = hostPort(socket);
      return { title: "listener", lines: [`a program of this machine dials ${text}`], ip, port, socket: text };
    },
  };
}

function publishedPort(text: string, { what, to }: PublishedPort): ExplainAnswer {
  const title = "published port";
  if (!to) return { title, lines: [`${text} is ${what}: it answers itself`], socket: text, ends: true };
  return { title, lines: [`${text} is ${what}: its flows go on as if they had arrived at ${hostPort(to)}`], ...to, socket: text };
}

/** The last step of an explanation: where a flow arrives that the proxy lets go on unchanged. */
export function deliveryDiagnostics(fabric: Fabric): Diagnostics {
  return {
    name: "delivery",
    async explain({ host, ip, port, protocol, from, balance }) {
      if (balance) return undefined;
      const at = ip ?? canonicalIp(host);
      if (at === undefined) return { title: "Delivery", lines: [`${host} has no address: nothing is tried`] };
      return { title: "Delivery", lines: [delivery(fabric, { ip: at, port }, protocol, from)] };
    },
  };
}

function delivery(fabric: Fabric, at: SocketAddress, protocol: Protocol, from: Peer): string {
  if (!fabric.plan.isClusterAddress(at.ip)) {
    if (!isLoopback(at.ip)) return `${at.ip} is not a cluster address: network is unreachable (nothing is sent outside)`;
    return from.kind === "pod" ? `${at.ip} is the pod's own loopback` : `${at.ip} is this machine's own loopback`;
  }
  if (!fabric.socketOf(at, protocol)) return `nothing listens at ${hostPort(at)}: connection refused`;
  const owner = fabric.identify(at.ip);
  return `reaches ${owner.kind === "pod" ? `pod ${owner.namespace}/${owner.name}` : owner.kind === "node" ? `node ${owner.name}` : at.ip} at ${hostPort(at)}`;
}

/** The recent hops, and with `follow` those to come. */
export async function* hopsOf(fabric: Fabric, signal: AbortSignal, follow: boolean): AsyncIterable<Hop> {
  yield* fabric.trace.recent();
  if (follow) yield* fabric.trace.subscribe(signal);
}
