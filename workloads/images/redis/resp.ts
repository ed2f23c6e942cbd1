// RESP2, the wire protocol of redis: requests as arrays of bulk strings or inline words, and replies. https://redis.io/docs/reference/protocol-spec/

/** A reply. A Buffer or string is a bulk string, null the nil bulk string. */
export type Reply = string | Buffer | number | null | { readonly status: string } | { readonly error: string } | readonly Reply[];

/** Bytes that are no RESP. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

const MAX_BULK = 64 * 1024 * 1024;
const MAX_PENDING = 128 * 1024 * 1024;

/** Encodes a reply. */
export function encodeReply(reply: Reply): Buffer {
  if (reply === null) return Buffer.from("$-1\r\n");
  if (typeof reply === "number") return Buffer.from(`:${reply}\r\n`);
  if (typeof reply === "string" || Buffer.isBuffer(reply)) {
    const data = Buffer.from(reply);
    return Buffer.concat([Buffer.from(`$${data.length}\r\n`), data, Buffer.from("\r\n")]);
  }
  if ("status" in reply) return Buffer.from(`+${reply.status}\r\n`);
  if ("error" in reply) return Buffer.from(`-${reply.error}\r\n`);
  return Buffer.concat([Buffer.from(`*${reply.length}\r\n`), ...reply.map(encodeReply)]);
}

/** Encodes a request. */
export function encodeCommand(words: readonly (string | Buffer)[]): Buffer {
  return encodeReply(words);
}

/** Takes bytes as they come and gives the values that are complete. */
export class RespReader {
  #data: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#data = this.#data.length === 0 ? chunk : Buffer.concat([this.#data, chunk]);
    if (this.#data.length > MAX_PENDING) throw new ProtocolError("too big request");
  }

  /** The next request, or undefined until there is more. Throws ProtocolError. */
  command(): Buffer[] | undefined {
    for (;;) {
      if (this.#data.length === 0) return undefined;
      if (this.#data[0] === 42) {
        const parsed = this.#array();
        if (parsed && parsed.length === 0) continue;
        return parsed;
      }
      const end = this.#data.indexOf(10);
      if (end < 0) {
        if (this.#data.length > 65536) throw new ProtocolError("too big inline request");
        return undefined;
      }
      const line = this.#data.toString("utf8", 0, end).trim();
      this.#data = this.#data.subarray(end + 1);
      if (line !== "") return line.split(/\s+/).map((word) => Buffer.from(word.replace(/^(["'])(.*)\1$/, "$2")));
    }
  }

  #array(): Buffer[] | undefined {
    const head = this.#line(0);
    if (!head) return undefined;
    const count = Number(head.text.slice(1));
    if (!Number.isInteger(count) || count > 1024 * 1024) throw new ProtocolError("invalid multibulk length");
    const words: Buffer[] = [];
    let at = head.next;
    for (let i = 0; i < count; i++) {
      const size = this.#line(at);
      if (!size) return undefined;
      if (!size.text.startsWith("$")) throw new ProtocolError(`expected '$', got '${size.text.charAt(0)}'`);
      const length = Number(size.text.slice(1));
      if (!Number.isInteger(length) || length < 0 || length > MAX_BULK) throw new ProtocolError("invalid bulk length");
      if (this.#data.length < size.next + length + 2) return undefined;
      words.push(this.#data.subarray(size.next, size.next + length));
      at = size.next + length + 2;
    }
    this.#data = this.#data.subarray(at);
    return words;
  }

  /** The next reply, or undefined until there is more. Throws ProtocolError. */
  reply(): { readonly value: Reply } | undefined {
    const parsed = this.#replyAt(0);
    if (!parsed) return undefined;
    this.#data = this.#data.subarray(parsed.next);
    return { value: parsed.value };
  }

  #replyAt(at: number): { readonly value: Reply; readonly next: number } | undefined {
    const head = this.#line(at);
    if (!head) return undefined;
    const rest = head.text.slice(1);
    const number = Number(rest);
    switch (head.text.charAt(0)) {
      case "+":
        return { value: { status: rest }, next: head.next };
      case "-":
        return { value: { error: rest }, next: head.next };
      case ":":
        return { value: number, next: head.next };
      case "$":
        if (number < 0) return { value: null, next: head.next };
        if (!Number.isInteger(number) || number > MAX_BULK) throw new ProtocolError("invalid bulk length");
        if (this.#data.length < head.next + number + 2) return undefined;
        return { value: this.#data.subarray(head.next, head.next + number), next: head.next + number + 2 };
      case "*": {
        if (number < 0) return { value: null, next: head.next };
        const items: Reply[] = [];
        let next = head.next;
        for (let i = 0; i < number; i++) {
          const item = this.#replyAt(next);
          if (!item) return undefined;
          items.push(item.value);
          next = item.next;
        }
        return { value: items, next };
      }
      default:
        throw new ProtocolError(`unexpected '${head.text.charAt(0)}'`);
    }
  }

  #line(at: number): { readonly text: string; readonly next: number } | undefined {
    const end = this.#data.indexOf("\r\n", at);
    return end < 0 ? undefined : { text: this.#data.toString("utf8", at, end), next: end + 2 };
  }
}
