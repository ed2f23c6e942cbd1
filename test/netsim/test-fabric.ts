// A fabric of its own for a test file: a claimed cluster index, two nodes, and pods by name.
import { connect, type Socket } from "node:net";
import type { Duplex, Readable } from "node:stream";
import { realClock, type Clock } from "../../model/clock.ts";
import type { Peer, SocketAddress } from "../../model/ports.ts";
import { seededRandom } from "../../model/random.ts";
import {
  claimClusterIndex,
  createAddressPlan,
  createFabric,
  type AddressPlan,
  type AddressPlanKind,
  type Fabric,
  type FabricOptions,
} from "../../netsim/index.ts";
import { until } from "../support/until.ts";

export type PodPeer = Extract<Peer, { kind: "pod" }>;

export interface TestFabric {
  readonly fabric: Fabric;
  readonly plan: AddressPlan;
  /** A pod on node `node` (0 or 1) with the `host`-th address of its block. */
  pod(name: string, host: number, node?: number): PodPeer;
  readonly host: Peer;
}

interface Teardown {
  teardown(callback: () => Promise<void>): void;
}

export async function testFabric(
  t: Teardown,
  options: Partial<FabricOptions> & { clock?: Clock; kind?: AddressPlanKind } = {},
): Promise<TestFabric> {
  const claim = await claimClusterIndex({ first: 20 });
  const plan = createAddressPlan({ kind: options.kind ?? "direct", index: claim.index });
  const nodes = [0, 1].map((i) => ({ name: `node-${i}`, ip: plan.nodeIp(i) }));
  const fabric = createFabric({ clock: realClock, random: seededRandom("test"), plan, nodes, ...options });
  await fabric.start();
  t.teardown(async () => {
    await fabric.stop();
    await claim.release();
  });
  const pod = (name: string, host: number, node = 0): PodPeer => ({
    kind: "pod",
    namespace: "default",
    name,
    ip: plan.podCidrOf(node).at(host),
    node: `node-${node}`,
  });
  return { fabric, plan, pod, host: { kind: "host", ip: "127.0.0.1" } };
}

/** Everything that comes until the other end closes its side; rejects on reset. */
export function readAll(stream: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => (text += chunk));
    stream.once("end", () => resolve(text));
    stream.once("error", reject);
    stream.once("close", () => resolve(text));
  });
}

/** A connected real socket of this machine. */
export function connected(at: { ip: string; port: number }, allowHalfOpen = true): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: at.ip, port: at.port, allowHalfOpen });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** The errno code with which a promise rejects. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "resolved";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

/** A dial of what may be dropped: undefined as soon as it is, instead of an error after the client's patience. */
export async function dialUnlessDropped(fabric: Fabric, from: Peer, to: SocketAddress): Promise<Duplex | undefined> {
  const drops = (): number => fabric.stats().dropped + fabric.stats().denied;
  const before = drops();
  const patience = new AbortController();
  let settled = false;
  const mark = (): void => void (settled = true);
  const dialled = fabric.dial(from, to, { signal: patience.signal });
  dialled.then(mark, mark);
  await until(() => settled || drops() > before, "a decision");
  if (settled) return dialled;
  patience.abort();
  return undefined;
}
