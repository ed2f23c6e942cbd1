// A fault on a link, in the small: what it does to a flow as it opens, to the bytes of a stream, to a datagram. Each kind is one file.
//
//   open   ──► pass | refuse | drop | reset                       (TCP and UDP, once per flow)
//   filter ──► message ► message  each goes on, late, or is answered in the server's place (TCP, what the client sends)
//   stream ──► stage ► stage ► …  each says when a piece leaves   (TCP, per direction)
//   packet ──► stage ► stage ► …  each lets none, one or two out  (UDP, per direction)
import type { Random } from "../../model/random.ts";

/** `forward`: from the client to the endpoint. */
export type LinkDirection = "forward" | "back";

/** What becomes of a new flow: `drop` is silence (ETIMEDOUT), `reset` closes it with RST as soon as it is established. */
export type Opening = "pass" | "refuse" | "drop" | "reset";

/** Delays the pieces of a stream; their order stays. */
export interface StreamStage {
  /** When a piece that comes at `atMs` leaves. `end` is the FIN, of size 0. */
  pass(atMs: number, sizeBytes: number, end: boolean): number;
  /** Larger chunks are cut to this. */
  readonly pieceBytes?: number;
  /** Nothing more is taken before this time. */
  readyAt?(): number;
}

/** What becomes of a part of a client's stream: it goes on, this much later, or `answer` is sent back in its place. */
export type FilteredPart =
  | { readonly type: "pass"; readonly bytes: Uint8Array; readonly delayMs: number }
  | { readonly type: "answer"; readonly bytes: Uint8Array };

/** Reads what a client sends on a stream, message by message. */
export interface StreamFilter {
  /** The parts that are whole now; the beginning of a message is held back. */
  take(bytes: Uint8Array): readonly FilteredPart[];
  /** What is held back when the stream ends. */
  rest(): Uint8Array;
}

/** A datagram on its way, and when it arrives. */
export interface Packet {
  readonly bytes: Uint8Array;
  readonly atMs: number;
}

/** Lets a datagram through, late, twice or not at all. `answer` sends one back to its sender instead. */
export interface PacketStage {
  pass(packet: Packet, answer: (bytes: Uint8Array) => void): readonly Packet[];
}

/** One fault with its setting read. Stages are made per flow and direction, from a random stream of the flow's own. */
export interface Fault {
  open?(random: Random): Opening;
  stream?(random: Random): StreamStage;
  filter?(random: Random): StreamFilter;
  packet?(random: Random, direction: LinkDirection): PacketStage;
  /** What it does to flows that are open when it comes: they stand still while it lasts, or some are reset (`open` says which). */
  readonly live?: "stall" | "reset";
  /** Only this many flows of each client meet the rule. */
  readonly firstFlows?: number;
}

/** A kind of fault: one field of a rule. */
export interface FaultKind {
  /** Name of the field. */
  readonly field: string;
  /** As people write it on a command line. */
  readonly example: string;
  /** Reads the setting; throws FaultSetting with the complaint. Undefined when the setting switches it off (`false`). */
  read(value: unknown): Fault | undefined;
}

/** A setting that cannot be read; `message` says what it must look like, `field` names the member of an object setting. */
export class FaultSetting extends Error {
  override readonly name = "FaultSetting";
  readonly field: string | undefined;
  constructor(message: string, field?: string) {
    super(message);
    this.field = field;
  }
}
