// Frames of HTTP/2 as bytes: RFC 9113 §4.1.
export type Fields = readonly (readonly [name: string, value: string])[];

/** A literal header field that no table takes: RFC 7541 §6.2.2. */
function field(name: string, value: string): Buffer {
  const text = (part: string): Buffer => Buffer.concat([Buffer.from([part.length]), Buffer.from(part, "latin1")]);
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

export function frame(type: number, flags: number, stream: number, body: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** What a client says first, with settings of its own. */
export const PREFACE: Buffer = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, Buffer.alloc(0))]);

export function headersFrame(stream: number, fields: Fields, endStream: boolean): Buffer {
  return frame(1, endStream ? 5 : 4, stream, Buffer.concat(fields.map(([name, value]) => field(name, value))));
}
