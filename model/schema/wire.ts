// The protobuf wire format: tags, varints, lengths. Knows no messages.
// Upstream: the protobuf encoding specification. Left out: groups (refused).

/** Bytes that are not protobuf, or not the message they claim to be. */
export class WireFault extends Error {
  override readonly name = "WireFault";
}

/** One field as it stands on the wire. */
export interface WireField {
  readonly number: number;
  /** 0 varint, 1 64-bit, 2 length-delimited, 5 32-bit. */
  readonly wire: number;
  /** A varint is a signed 64-bit number; all else the raw bytes. */
  readonly value: bigint | Uint8Array;
}

/** Splits a message into its fields, in order. Throws WireFault on truncated or malformed bytes. */
export function readFields(bytes: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  const cursor = { at: 0 };
  while (cursor.at < bytes.length) {
    const tag = Number(BigInt.asUintN(64, readVarint(bytes, cursor)));
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (number < 1 || number > 536870911) throw new WireFault(`illegal tag ${tag}`);
    if (wire === 0) fields.push({ number, wire, value: readVarint(bytes, cursor) });
    else fields.push({ number, wire, value: take(bytes, cursor, sizeOf(wire, bytes, cursor)) });
  }
  return fields;
}

/** A packed list of varints. */
export function readVarints(bytes: Uint8Array): bigint[] {
  const values: bigint[] = [];
  const cursor = { at: 0 };
  while (cursor.at < bytes.length) values.push(readVarint(bytes, cursor));
  return values;
}

/** UTF-8 text; invalid sequences become U+FFFD. */
export function textOf(bytes: Uint8Array | undefined): string {
  return bytes ? new TextDecoder().decode(bytes) : "";
}

/** A varint as a number; int64 beyond 2^53 loses precision. */
export function integerOf(field: WireField): number {
  if (typeof field.value === "bigint") return Number(field.value);
  throw new WireFault(`field ${field.number} has wire type ${field.wire}, expected 0`);
}

export function float64Of(field: WireField): number {
  if (field.wire !== 1 || typeof field.value === "bigint")
    throw new WireFault(`field ${field.number} has wire type ${field.wire}, expected 1`);
  return new DataView(field.value.buffer, field.value.byteOffset, 8).getFloat64(0, true);
}

function sizeOf(wire: number, bytes: Uint8Array, cursor: { at: number }): number {
  if (wire === 1) return 8;
  if (wire === 5) return 4;
  if (wire === 2) return Number(BigInt.asUintN(64, readVarint(bytes, cursor)));
  throw new WireFault(`unsupported wire type ${wire}`);
}

function take(bytes: Uint8Array, cursor: { at: number }, size: number): Uint8Array {
  if (size > bytes.length - cursor.at) throw new WireFault("unexpected EOF");
  cursor.at += size;
  return bytes.subarray(cursor.at - size, cursor.at);
}

function readVarint(bytes: Uint8Array, cursor: { at: number }): bigint {
  let low = 0;
  for (let index = 0; index < 4; index++) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) throw new WireFault("unexpected EOF");
    low += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return BigInt(low);
  }
  let value = BigInt(low);
  for (let shift = 28n; shift < 70n; shift += 7n) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) throw new WireFault("unexpected EOF");
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asIntN(64, value);
  }
  throw new WireFault("varint is longer than 10 bytes");
}
