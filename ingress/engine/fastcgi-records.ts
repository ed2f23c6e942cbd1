// FastCGI 1.0 on the wire, as far as a client of the role Responder needs it: records of request 1, and name-value pairs.
// Specification: FastCGI 1.0 §3.3, §3.4, §5, §8. No multiplexing, no management records.

/** Name and value of a CGI variable. */
export type CgiParam = readonly [name: string, value: string];

const BEGIN_REQUEST = 1;
export const END_REQUEST = 3;
const PARAMS = 4;
const STDIN = 5;
export const STDOUT = 6;
export const STDERR = 7;

const HEAD_BYTES = 8;
const MOST_CONTENT = 65_535;

function record(type: number, content: Buffer): Buffer {
  const head = Buffer.from([1, type, 0, 1, content.length >> 8, content.length & 255, 0, 0]);
  return Buffer.concat([head, content]);
}

/** A stream of records; an empty one ends it. */
function stream(type: number, content: Buffer): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < content.length; at += MOST_CONTENT) records.push(record(type, content.subarray(at, at + MOST_CONTENT)));
  return Buffer.concat(records);
}

function length(bytes: number): Buffer {
  if (bytes < 128) return Buffer.from([bytes]);
  const long = Buffer.alloc(4);
  long.writeUInt32BE((bytes | 0x8000_0000) >>> 0);
  return long;
}

/** BEGIN_REQUEST and all of PARAMS. The application closes the connection when it has answered. */
export function requestRecords(params: readonly CgiParam[]): Buffer {
  const pairs = params.flatMap(([name, value]) => {
    const [key, text] = [Buffer.from(name, "latin1"), Buffer.from(value, "latin1")];
    return [length(key.length), length(text.length), key, text];
  });
  const begin = record(BEGIN_REQUEST, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0]));
  return Buffer.concat([begin, stream(PARAMS, Buffer.concat(pairs)), record(PARAMS, Buffer.alloc(0))]);
}

export const bodyRecords = (body: Buffer): Buffer => stream(STDIN, body);
export const bodyEnd = (): Buffer => record(STDIN, Buffer.alloc(0));

/** Cuts what comes into records. */
export class RecordReader {
  #rest: Buffer = Buffer.alloc(0);
  /** Whole records of these bytes and those before, in order. Throws on another version. */
  *read(bytes: Buffer): Generator<{ readonly type: number; readonly content: Buffer }> {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= HEAD_BYTES) {
      if (this.#rest[0] !== 1) throw new Error(`upstream sent unsupported FastCGI protocol version: ${this.#rest[0]}`);
      const size = this.#rest.readUInt16BE(4);
      const end = HEAD_BYTES + size + (this.#rest[6] ?? 0);
      if (this.#rest.length < end) return;
      const content = this.#rest.subarray(HEAD_BYTES, HEAD_BYTES + size);
      const type = this.#rest[1] ?? 0;
      this.#rest = this.#rest.subarray(end);
      yield { type, content };
    }
  }
}

/** Head of a CGI answer: its status and lines, and what has come of the body. Undefined: it is not whole yet. */
export function parseCgiHead(
  bytes: Buffer,
): { readonly status: number; readonly statusText: string; readonly rawHeaders: string[]; readonly body: Buffer } | undefined {
  const text = bytes.toString("latin1");
  const found = /\r?\n\r?\n/.exec(text);
  if (!found) return undefined;
  const rawHeaders: string[] = [];
  let status = 200;
  let statusText = "OK";
  for (const line of text.slice(0, found.index).split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon <= 0) throw new Error("upstream sent invalid header");
    const [name, value] = [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    if (name.toLowerCase() === "status") {
      const [code = "", ...words] = value.split(" ");
      if (!/^\d{3}$/.test(code)) throw new Error(`upstream sent invalid status ${JSON.stringify(value)}`);
      status = Number(code);
      statusText = words.join(" ");
    } else rawHeaders.push(name, value);
    if (name.toLowerCase() === "location" && status === 200) [status, statusText] = [302, "Moved Temporarily"];
  }
  return { status, statusText, rawHeaders, body: bytes.subarray(found.index + found[0].length) };
}
