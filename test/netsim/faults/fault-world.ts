// A fabric on a virtual clock whose flows meet given faults; pods that echo; time in steps of a millisecond.
import { createServer, type Server } from "node:net";
import type { Duplex } from "node:stream";
import { nextTurn, VirtualClock } from "../../../model/clock.ts";
import type { FaultSettings } from "../../../model/kinds/loopkube-v1alpha1.ts";
import type { DatagramHandler, SocketAddress } from "../../../model/ports.ts";
import { seededRandom } from "../../../model/random.ts";
import {
  createAddressPlan,
  createFabric,
  type Fabric,
  FAULT_KINDS,
  FaultRule,
  meetFaults,
  type ShapedDirection,
} from "../../../netsim/index.ts";
import type { PodPeer } from "../test-fabric.ts";

export interface FaultWorld {
  readonly fabric: Fabric;
  readonly clock: VirtualClock;
  pod(name: string, host: number): PodPeer;
  /** Milliseconds since the start. */
  now(): number;
  /** Lets time pass, each millisecond with turns for what it sets off. */
  pass(ms: number): Promise<void>;
  /** Lets time pass until the promise is settled, at most `limitMs`. */
  until<T>(promise: Promise<T>, limitMs?: number): Promise<T>;
  serve(pod: PodPeer, port: number, onConnection: (socket: Duplex) => void): Promise<SocketAddress>;
  serveUdp(pod: PodPeer, port: number, handler: DatagramHandler): Promise<SocketAddress>;
  /** From now on every flow meets these rules. */
  faults(...rules: readonly RuleText[]): readonly FaultRule[];
}

export type RuleText = FaultSettings & { readonly name?: string; readonly way?: ShapedDirection };

const TURNS = 8;

export async function faultWorld(t: { teardown(callback: () => Promise<void>): void }, seed = "faults"): Promise<FaultWorld> {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const plan = createAddressPlan({ kind: "mapped", index: 0 });
  const nodes = [{ name: "node-0", ip: plan.nodeIp(0) }];
  const fabric = createFabric({ clock, random, plan, nodes });
  await fabric.start();
  t.teardown(() => fabric.stop());
  const start = clock.now();
  const turns = async (): Promise<void> => {
    for (let i = 0; i < TURNS; i++) await nextTurn();
  };
  const pass = async (ms: number): Promise<void> => {
    await turns();
    for (let i = 0; i < ms; i++) {
      await clock.advance(1);
      await turns();
    }
  };
  return {
    fabric,
    clock,
    pass,
    pod: (name, host) => ({ kind: "pod", namespace: "default", name, ip: plan.podCidrOf(0).at(host), node: "node-0" }),
    now: () => clock.now() - start,
    async until(promise, limitMs = 1000) {
      let settled = false;
      const mark = (): void => void (settled = true);
      promise.then(mark, mark);
      await turns();
      for (let i = 0; i < limitMs && !settled; i++) await pass(1);
      if (!settled) throw new Error(`nothing happened in ${limitMs} ms`);
      return promise;
    },
    async serve(pod, port, onConnection) {
      const server: Server = createServer({ allowHalfOpen: true }, onConnection);
      return (await fabric.expose({ ip: pod.ip, port }, "TCP", { type: "server", server }, pod)).address;
    },
    async serveUdp(pod, port, handler) {
      return (await fabric.expose({ ip: pod.ip, port }, "UDP", { type: "datagram", handler }, pod)).address;
    },
    faults(...texts) {
      const rules = texts.map(({ name = "f", way = "both", ...settings }) => rule(name, settings, way, random.fork("faults")));
      fabric.hooks.fault = rules.length === 0 ? undefined : (flow) => meetFaults(rules, flow.from.ip);
      return rules;
    },
  };
}

function rule(name: string, settings: FaultSettings, direction: ShapedDirection, random: ReturnType<typeof seededRandom>): FaultRule {
  const values: Readonly<Record<string, unknown>> = { ...settings };
  const faults = FAULT_KINDS.flatMap((kind) => (values[kind.field] === undefined ? [] : (kind.read(values[kind.field]) ?? [])));
  return new FaultRule({ name, faults, direction, random });
}

/** What arrives, with its time: `50 hello`, `100 end`, `120 ECONNRESET`. */
export function record(world: FaultWorld, stream: Duplex): string[] {
  const log: string[] = [];
  const note = (text: string): void => void log.push(`${world.now()} ${text}`);
  stream.on("data", (chunk: Buffer) => note(chunk.length > 32 ? `${chunk.length} bytes` : chunk.toString()));
  stream.on("end", () => note("end"));
  stream.on("error", (error: NodeJS.ErrnoException) => note(error.code ?? error.message));
  return log;
}
