// What the composition root itself can tell: where a program of this machine dials, and the hops of flows.
import { canonicalIp } from "../model/ip.ts";
import type { Diagnostics, Hop } from "../model/ports.ts";
import { type Fabric, hostPort } from "../netsim/index.ts";

/** The step of an explanation between DNS and the proxy: the real socket behind a cluster address. */
export function listenerDiagnostics(fabric: Fabric): Diagnostics {
  return {
    name: "listener",
    async explain({ host, ip = canonicalIp(host), port, protocol }) {
      if (ip === undefined) return undefined;
      const socket = fabric.socketOf({ ip, port }, protocol);
      if (!socket) return { title: "listener", lines: [`nothing listens at ${hostPort({ ip, port })}`], ip, port };
      const text = hostPort(socket);
      return { title: "listener", lines: [`a program of this machine dials ${text}`], ip, port, socket: text };
    },
  };
}

/** The recent hops, and with `follow` those to come. */
export async function* hopsOf(fabric: Fabric, signal: AbortSignal, follow: boolean): AsyncIterable<Hop> {
  yield* fabric.trace.recent();
  if (follow) yield* fabric.trace.subscribe(signal);
}
