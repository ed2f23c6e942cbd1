// Room for a batch of datagrams over IPv4 in the form that the kernel reads and fills: struct mmsghdr, iovec and sockaddr_in of 64-bit Linux.
// Upstream: recvmmsg(2), sendmmsg(2), bits/types/struct_msghdr.h.
//
//   mmsghdr  0 msg_name*  8 namelen  16 msg_iov*  24 iovlen  32 control*  40 controllen  48 flags  56 msg_len   (64 bytes)
//   iovec    0 iov_base*  8 iov_len                                                                             (16 bytes)
//   sockaddr 0 family     2 port (big-endian)     4 address  8 zero                                             (16 bytes)

const [HEADER, IOVEC, NAME] = [64, 16, 16];
const [NAME_LENGTH, IOV, IOV_COUNT, MSG_LENGTH] = [8, 16, 24, 56];

export class MessageVector {
  /** For the system call. */
  readonly address: bigint;
  readonly slots: number;
  /** What one datagram may measure. */
  readonly slotBytes: number;
  readonly #data: Buffer;
  /** All headers, iovecs and names, in this order. */
  readonly #meta: Buffer;
  readonly #iovecs: number;
  readonly #names: number;

  /** `addressOf`: where a buffer's bytes stand. */
  constructor(slots: number, slotBytes: number, addressOf: (buffer: Buffer) => bigint) {
    this.slots = slots;
    this.slotBytes = slotBytes;
    this.#data = Buffer.allocUnsafeSlow(slots * slotBytes);
    const meta = Buffer.allocUnsafeSlow(slots * (HEADER + IOVEC + NAME)).fill(0);
    this.#meta = meta;
    this.#iovecs = slots * HEADER;
    this.#names = slots * (HEADER + IOVEC);
    this.address = addressOf(meta);
    const data = addressOf(this.#data);
    for (let slot = 0; slot < slots; slot++) {
      const header = slot * HEADER;
      const iovec = this.#iovecs + slot * IOVEC;
      meta.writeBigUInt64LE(this.address + BigInt(this.#names + slot * NAME), header);
      meta.writeUInt32LE(NAME, header + NAME_LENGTH);
      meta.writeBigUInt64LE(this.address + BigInt(iovec), header + IOV);
      meta.writeBigUInt64LE(1n, header + IOV_COUNT);
      meta.writeBigUInt64LE(data + BigInt(slot * slotBytes), iovec);
      meta.writeBigUInt64LE(BigInt(slotBytes), iovec + 8);
    }
  }
  /** A copy of a received datagram. */
  message(slot: number): Buffer {
    const length = this.#meta.readUInt32LE(slot * HEADER + MSG_LENGTH);
    const message = Buffer.allocUnsafe(length);
    message.set(this.sent(slot, length));
    return message;
  }
  /** The first bytes of a slot, until it is used again. */
  sent(slot: number, length: number): Buffer {
    return this.#data.subarray(slot * this.slotBytes, slot * this.slotBytes + length);
  }
  port(slot: number): number {
    return this.#meta.readUInt16BE(this.#names + slot * NAME + 2);
  }
  /** As a number. */
  ip(slot: number): number {
    return this.#meta.readInt32BE(this.#names + slot * NAME + 4);
  }
  /** A datagram of at most slotBytes to the sender in a slot of another vector. */
  put(slot: number, message: Uint8Array, to: MessageVector, toSlot: number): void {
    this.#data.set(message, slot * this.slotBytes);
    this.#meta.writeUInt32LE(message.length, this.#iovecs + slot * IOVEC + 8);
    const name = to.#names + toSlot * NAME;
    to.#meta.copy(this.#meta, this.#names + slot * NAME, name, name + NAME);
  }
  length(slot: number): number {
    return this.#meta.readUInt32LE(this.#iovecs + slot * IOVEC + 8);
  }
}
