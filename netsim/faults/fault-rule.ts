// A set of faults under one name, and what the rules that match a flow make of it. Every choice is a function of the seed, the rule's
// name, the client and how many flows of that client the rule has met.
import type { Random } from "../../model/random.ts";
import type { Fault, LinkDirection, Opening, PacketStage, StreamFilter, StreamStage } from "./fault.ts";

/** Which way a rule's shaping works; openings do not have one. */
export type ShapedDirection = LinkDirection | "both";

export interface FaultRuleOptions {
  readonly name: string;
  readonly faults: readonly Fault[];
  readonly direction: ShapedDirection;
  readonly random: Random;
}

/** What a stream meets on its way. */
export interface StreamShape extends Readonly<Record<LinkDirection, readonly StreamStage[]>> {
  readonly filters: readonly StreamFilter[];
}

/** What a flow meets: its opening, and for one that passes the stages on its way. */
export interface FlowFaults {
  readonly opening: Opening;
  /** `fault/slow`, … */
  readonly matched: readonly string[];
  /** How long a handshake takes: its way there and back. */
  readonly handshakeMs: number;
  /** Absent when streams pass as they are. */
  readonly stream: StreamShape | undefined;
  readonly packet: Readonly<Record<LinkDirection, readonly PacketStage[]>> | undefined;
}

export class FaultRule {
  readonly name: string;
  readonly faults: readonly Fault[];
  readonly direction: ShapedDirection;
  /** It shapes streams, which works on flows opened afterwards only. */
  readonly shapesStreams: boolean;
  readonly shapesPackets: boolean;
  /** Open flows stand still while it lasts. */
  readonly stalls: boolean;
  /** Open flows are reset when it comes, those that `resetsLive` says. */
  readonly resets: boolean;
  readonly #random: Random;
  readonly #firstFlows: number;
  readonly #ordinals = new Map<string, number>();
  #met = 0;

  constructor({ name, faults, direction, random }: FaultRuleOptions) {
    const limits = faults.flatMap(({ firstFlows }) => firstFlows ?? []);
    const acting = faults.filter(({ firstFlows }) => firstFlows === undefined);
    this.name = name;
    this.faults = acting.length > 0 ? acting : limits.length > 0 ? [{ open: () => "refuse" }] : [];
    this.direction = direction;
    this.#random = random;
    this.#firstFlows = Math.min(Infinity, ...limits);
    this.shapesStreams = faults.some((fault) => fault.stream || fault.filter);
    this.shapesPackets = faults.some((fault) => fault.packet);
    // Flows that are open already were none of the first.
    this.stalls = limits.length === 0 && faults.some((fault) => fault.live === "stall");
    this.resets = limits.length === 0 && faults.some((fault) => fault.live === "reset");
  }
  /** Flows met so far. */
  get met(): number {
    return this.#met;
  }
  /**
   * The random stream of one flow of this client; undefined when the rule has had enough of its flows. `ordinals` remembers which flow of
   * the client it is, for one that is met again because it waits.
   */
  meet(client: string, ordinals: Ordinals): Random | undefined {
    let ordinal = ordinals.get(this);
    if (ordinal === undefined) {
      ordinal = this.#ordinals.get(client) ?? 0;
      this.#ordinals.set(client, ordinal + 1);
      ordinals.set(this, ordinal);
      if (ordinal < this.#firstFlows) this.#met++;
    }
    return ordinal < this.#firstFlows ? this.#random.fork(`${this.name}/${client}/${ordinal}`) : undefined;
  }
  /** Whether a flow that is open already is reset. */
  resetsLive(client: string): boolean {
    const random = this.meet(client, new Map());
    return random !== undefined && this.faults.some((fault) => fault.live === "reset" && fault.open && fault.open(random) !== "pass");
  }
}

/** Which flow of its client one flow is, for each rule that it has met. */
export type Ordinals = Map<FaultRule, number>;

/** What the rules do to a flow of `client`; undefined when nothing. The same `ordinals` give the same answer of the same rules. */
export function meetFaults(rules: readonly FaultRule[], client: string, ordinals: Ordinals = new Map()): FlowFaults | undefined {
  const matched: string[] = [];
  const stream: Record<LinkDirection, StreamStage[]> = { forward: [], back: [] };
  const filters: StreamFilter[] = [];
  const packet: Record<LinkDirection, PacketStage[]> = { forward: [], back: [] };
  let opening: Opening = "pass";
  for (const rule of rules) {
    const random = rule.meet(client, ordinals);
    if (!random) continue;
    matched.push(`fault/${rule.name}`);
    for (const [index, fault] of rule.faults.entries()) {
      const outcome = fault.open?.(random) ?? "pass";
      if (opening === "pass") opening = outcome;
      for (const direction of ["forward", "back"] as const) {
        if (rule.direction !== "both" && rule.direction !== direction) continue;
        const own = fault.stream || fault.filter || fault.packet ? random.fork(`${index}/${direction}`) : random;
        if (fault.stream) stream[direction].push(fault.stream(own));
        if (fault.filter && direction === "forward") filters.push(fault.filter(own));
        if (fault.packet) packet[direction].push(fault.packet(own, direction));
      }
    }
  }
  if (matched.length === 0) return undefined;
  const shaped = stream.forward.length + stream.back.length + filters.length > 0;
  const late = packet.forward.length + packet.back.length > 0;
  return {
    opening,
    matched,
    handshakeMs: shaped ? crossing(stream.forward) + crossing(stream.back) : 0,
    stream: shaped ? { ...stream, filters } : undefined,
    packet: late ? packet : undefined,
  };
}

/** How long a packet without payload is under way. */
function crossing(stages: readonly StreamStage[]): number {
  return Math.max(
    0,
    stages.reduce((atMs, stage) => stage.pass(atMs, 0, false), 0),
  );
}
