// One batch at a time, of whichever socket: received in one system call, handled, and the answers sent in another.
import type { UdpHandle } from "./handle.ts";
import { MessageVector } from "./message-vector.ts";
import type { SendDatagram } from "./send.ts";
import type { SystemCalls } from "../system-calls.ts";

export type OnDatagram = (message: Buffer, ip: string, port: number) => void;

const SLOTS = 32;
/** The largest datagram there is, and the largest answer that joins a batch. */
const [MAX_BYTES, ANSWER_BYTES] = [65_536, 2048];
const MAX_NAMES = 4096;

export class Batches {
  readonly #calls: SystemCalls;
  readonly #received: MessageVector;
  readonly #answers: MessageVector;
  /** Addresses as text. */
  readonly #names = new Map<number, string>();
  /** Whose batch is being handled, and how to send from there one by one. */
  #handle: UdpHandle | undefined;
  #send: SendDatagram | undefined;
  /** The datagram being handled. */
  #slot = 0;
  #ip = "";
  #port = 0;
  /** Answers so far, and where they go. */
  #count = 0;
  readonly #to: { ip: string; port: number }[] = Array.from({ length: SLOTS }, () => ({ ip: "", port: 0 }));

  constructor(calls: SystemCalls) {
    this.#calls = calls;
    this.#received = new MessageVector(SLOTS, MAX_BYTES, calls.addressOf);
    this.#answers = new MessageVector(SLOTS, ANSWER_BYTES, calls.addressOf);
  }

  /** Handles what waits, up to a batch of it; answers how many that was. */
  run(handle: UdpHandle, onDatagram: OnDatagram, send: SendDatagram): number {
    if (this.#handle) return 0;
    const count = this.#calls.receive(handle.fd, this.#received.address, SLOTS);
    if (count <= 0) return 0;
    this.#handle = handle;
    this.#send = send;
    try {
      for (let slot = 0; slot < count; slot++) {
        this.#slot = slot;
        this.#ip = this.#name(this.#received.ip(slot));
        this.#port = this.#received.port(slot);
        onDatagram(this.#received.message(slot), this.#ip, this.#port);
      }
    } finally {
      this.#flush();
      this.#handle = undefined;
    }
    return count;
  }
  /** Takes an answer to the datagram being handled into the batch, unless it cannot. */
  add(handle: UdpHandle, message: Uint8Array, port: number, ip: string): boolean {
    if (this.#handle !== handle) return false;
    if (port !== this.#port || ip !== this.#ip || message.length > ANSWER_BYTES) {
      // What was sent first leaves first.
      this.#flush();
      return false;
    }
    if (this.#count === SLOTS) this.#flush();
    const to = this.#to[this.#count];
    if (to) Object.assign(to, { ip, port });
    this.#answers.put(this.#count++, message, this.#received, this.#slot);
    return true;
  }

  #flush(): void {
    const count = this.#count;
    this.#count = 0;
    const { fd } = this.#handle ?? { fd: -1 };
    if (count === 0 || fd < 0) return;
    // The first that does not go, and those behind it, go one by one: dgram waits for room, or gives up the one.
    for (let slot = Math.max(0, this.#calls.send(fd, this.#answers.address, count)); slot < count; slot++) {
      const { ip, port } = this.#to[slot] ?? { ip: "", port: 0 };
      this.#send?.(Buffer.from(this.#answers.sent(slot, this.#answers.length(slot))), port, ip);
    }
  }
  #name(ip: number): string {
    let name = this.#names.get(ip);
    if (name === undefined) {
      if (this.#names.size === MAX_NAMES) this.#names.clear();
      name = [ip >>> 24, (ip >> 16) & 255, (ip >> 8) & 255, ip & 255].join(".");
      this.#names.set(ip, name);
    }
    return name;
  }
}
