// DNS over TCP: messages with their length in front, cut out of a client's stream. What does not look like DNS passes as it is from there on.
// Upstream: RFC 7766 §8.
import { looksLikeQuery } from "./dns-message.ts";
import type { FilteredPart, StreamFilter } from "./fault.ts";

const LENGTH_BYTES = 2;
/** Of the length and the part of the header that tells queries from other protocols. */
const TELLING_BYTES = LENGTH_BYTES + 8;

export class DnsMessages implements StreamFilter {
  readonly #judge: (framed: Uint8Array) => FilteredPart;
  #held: Buffer = Buffer.alloc(0);
  #isDns = true;

  /** `judge` gets each message with its length in front. */
  constructor(judge: (framed: Uint8Array) => FilteredPart) {
    this.#judge = judge;
  }
  take(bytes: Uint8Array): readonly FilteredPart[] {
    if (!this.#isDns) return [{ type: "pass", bytes, delayMs: 0 }];
    let rest =
      this.#held.byteLength === 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : Buffer.concat([this.#held, bytes]);
    const parts: FilteredPart[] = [];
    while (rest.byteLength >= TELLING_BYTES) {
      const size = LENGTH_BYTES + rest.readUInt16BE(0);
      if (size < TELLING_BYTES || !looksLikeQuery(rest.subarray(LENGTH_BYTES))) {
        this.#isDns = false;
        parts.push({ type: "pass", bytes: rest, delayMs: 0 });
        rest = Buffer.alloc(0);
      }
      if (rest.byteLength < size) break;
      parts.push(this.#judge(rest.subarray(0, size)));
      rest = rest.subarray(size);
    }
    this.#held = rest;
    return parts;
  }
  rest(): Uint8Array {
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    return held;
  }
}
