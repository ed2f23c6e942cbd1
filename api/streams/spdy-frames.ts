// SPDY/3.1 frames: bytes to frames as a server reads them, and the frames a server writes.
// Source: draft-mbelshe-httpbis-spdy-00 §2.2 and §2.6, with the session window of 3.1. A DATA frame is delivered in the pieces in which
// it arrives, so that its 24-bit length costs no memory; control frames are bounded. Leaves out CREDENTIAL and pushed streams.

export type SpdyFrame =
  /** `fin` is set on the last piece only. */
  | { readonly type: "DATA"; readonly stream: number; readonly bytes: Buffer; readonly fin: boolean }
  | { readonly type: "SYN_STREAM" | "SYN_REPLY" | "HEADERS"; readonly stream: number; readonly fin: boolean; readonly block: Buffer }
  | { readonly type: "RST_STREAM"; readonly stream: number; readonly status: number }
  | { readonly type: "SETTINGS"; readonly values: ReadonlyMap<number, number> }
  | { readonly type: "PING"; readonly id: number }
  | { readonly type: "GOAWAY"; readonly lastStream: number }
  /** Stream 0 is the session. */
  | { readonly type: "WINDOW_UPDATE"; readonly stream: number; readonly delta: number };

/** RST_STREAM status codes, §2.6.3. */
export const SPDY_RESET = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  flowControlError: 7,
  streamAlreadyClosed: 9,
} as const;

/** SETTINGS id of the window that new streams start with. */
export const SETTING_INITIAL_WINDOW = 7;

const VERSION = 3;
const FIN = 1;
const MAX_CONTROL_BYTES = 64 * 1024;
const STREAM_MASK = 0x7fffffff;
const TYPE = { SYN_STREAM: 1, SYN_REPLY: 2, RST_STREAM: 3, SETTINGS: 4, PING: 6, GOAWAY: 7, HEADERS: 8, WINDOW_UPDATE: 9 } as const;

/** What is not SPDY/3.1: the session answers with GOAWAY and closes. */
export class SpdyProtocolError extends Error {
  override readonly name = "SpdyProtocolError";
}

/** Turns received bytes into frames. */
export class SpdyDecoder {
  #pending: Buffer = Buffer.alloc(0);
  #data: { readonly stream: number; readonly fin: boolean; left: number } | undefined;

  /** The frames that `chunk` completes. Throws SpdyProtocolError. */
  *push(chunk: Buffer): Generator<SpdyFrame> {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      if (this.#data) {
        const bytes = this.#take(Math.min(this.#data.left, this.#pending.length));
        this.#data.left -= bytes.length;
        const { stream, fin, left } = this.#data;
        if (left === 0) this.#data = undefined;
        else if (bytes.length === 0) return;
        if (bytes.length > 0 || fin) yield { type: "DATA", stream, bytes, fin: fin && left === 0 };
        continue;
      }
      if (this.#pending.length < 8) return;
      const word = this.#pending.readUInt32BE(0);
      const flags = this.#pending.readUInt8(4);
      const length = this.#pending.readUIntBE(5, 3);
      if (word <= STREAM_MASK) {
        if (word === 0) throw new SpdyProtocolError("DATA on stream 0");
        this.#take(8);
        this.#data = { stream: word, fin: (flags & FIN) !== 0, left: length };
        continue;
      }
      if (((word >>> 16) & 0x7fff) !== VERSION) throw new SpdyProtocolError(`SPDY version ${(word >>> 16) & 0x7fff}`);
      if (length > MAX_CONTROL_BYTES) throw new SpdyProtocolError(`control frame of ${length} bytes`);
      if (this.#pending.length < 8 + length) return;
      this.#take(8);
      const frame = parseControl(word & 0xffff, flags, this.#take(length));
      if (frame) yield frame;
    }
  }

  #take(length: number): Buffer {
    const taken = this.#pending.subarray(0, length);
    this.#pending = this.#pending.subarray(length);
    return taken;
  }
}

/** Undefined for a type that SPDY/3.1 does not know: §2.2.1 has it ignored. */
function parseControl(type: number, flags: number, body: Buffer): SpdyFrame | undefined {
  const word = (offset: number): number => {
    if (body.length < offset + 4) throw new SpdyProtocolError(`control frame of type ${type} is cut short`);
    return body.readUInt32BE(offset);
  };
  const stream = (): number => word(0) & STREAM_MASK;
  const fin = (flags & FIN) !== 0;
  switch (type) {
    case TYPE.SYN_STREAM:
      if (body.length < 10) throw new SpdyProtocolError("SYN_STREAM is cut short");
      return { type: "SYN_STREAM", stream: stream(), fin, block: body.subarray(10) };
    case TYPE.SYN_REPLY:
      return { type: "SYN_REPLY", stream: stream(), fin, block: body.subarray(4) };
    case TYPE.HEADERS:
      return { type: "HEADERS", stream: stream(), fin, block: body.subarray(4) };
    case TYPE.RST_STREAM:
      return { type: "RST_STREAM", stream: stream(), status: word(4) };
    case TYPE.SETTINGS: {
      const values = new Map<number, number>();
      for (let i = 0, count = word(0); i < count; i++) values.set(word(4 + i * 8) & 0xffffff, word(8 + i * 8));
      return { type: "SETTINGS", values };
    }
    case TYPE.PING:
      return { type: "PING", id: word(0) };
    case TYPE.GOAWAY:
      return { type: "GOAWAY", lastStream: stream() };
    case TYPE.WINDOW_UPDATE:
      return { type: "WINDOW_UPDATE", stream: stream(), delta: word(4) & STREAM_MASK };
    default:
      return undefined;
  }
}

function control(type: number, flags: number, ...body: readonly (number | Buffer)[]): Buffer {
  const bytes = body.map((part) => (typeof part === "number" ? words(part) : part));
  const length = bytes.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([words((((0x8000 | VERSION) << 16) | type) >>> 0, ((flags << 24) | length) >>> 0), ...bytes]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32BE(value, index * 4));
  return bytes;
}

/** The eight bytes before a DATA frame's payload. */
export function dataHeader(stream: number, lengthBytes: number, fin: boolean): Buffer {
  return words(stream, ((fin ? FIN << 24 : 0) | lengthBytes) >>> 0);
}

export function synReply(stream: number, block: Buffer): Buffer {
  return control(TYPE.SYN_REPLY, 0, stream, block);
}

export function rstStream(stream: number, status: number): Buffer {
  return control(TYPE.RST_STREAM, 0, stream, status);
}

export function ping(id: number): Buffer {
  return control(TYPE.PING, 0, id);
}

/** Status 0 is an orderly end, 1 a protocol error. */
export function goAway(lastStream: number, status: number): Buffer {
  return control(TYPE.GOAWAY, 0, lastStream, status);
}

export function windowUpdate(stream: number, delta: number): Buffer {
  return control(TYPE.WINDOW_UPDATE, 0, stream, delta);
}

/** A SYN_STREAM as a client writes it. */
export function synStream(stream: number, block: Buffer, fin = false): Buffer {
  return control(TYPE.SYN_STREAM, fin ? FIN : 0, stream, 0, Buffer.of(0, 0), block);
}

/** A SETTINGS frame with one value. */
export function settings(id: number, value: number): Buffer {
  return control(TYPE.SETTINGS, 0, 1, id, value);
}
