// Names and EDNS options at an offset of a message.
// Upstream: RFC 1035 §4.1.4 and RFC 6891 §6.1.2.
import { escapeLabel } from "./name.ts";
import type { EdnsOption } from "./message.ts";

const MAX_NAME_BYTES = 255;

/** The name at `offset` in presentation form, and where it ends. Throws RangeError on loops, reserved label types and overlong names. */
export function readName(message: Buffer, offset: number): { readonly name: string; readonly end: number } {
  let name = "";
  let end = 0;
  let bytes = 1;
  let at = offset;
  for (;;) {
    const length = message.readUInt8(at);
    if (length === 0) break;
    if (length >= 0xc0) {
      const target = message.readUInt16BE(at) & 0x3fff;
      if (end === 0) end = at + 2;
      if (target >= at) throw new RangeError("compression pointer does not point backwards");
      at = target;
      continue;
    }
    bytes += length + 1;
    if (length > 63 || bytes > MAX_NAME_BYTES || at + 1 + length > message.length) throw new RangeError("bad label");
    name += `${escapeLabel(message.toString("latin1", at + 1, at + 1 + length))}.`;
    at += length + 1;
  }
  return { name: name === "" ? "." : name, end: end === 0 ? at + 1 : end };
}

/** Where the name at `offset` ends. */
export function skipName(message: Buffer, offset: number): number {
  let at = offset;
  for (;;) {
    const length = message.readUInt8(at);
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    at += length + 1;
  }
}

/** The options of an OPT record whose RDLENGTH stands at `offset`. */
export function ednsOptionsAt(message: Buffer, offset: number): readonly EdnsOption[] {
  const options: EdnsOption[] = [];
  let at = offset + 2;
  const end = at + message.readUInt16BE(offset);
  while (at + 4 <= end) {
    const length = message.readUInt16BE(at + 2);
    if (at + 4 + length > end) throw new RangeError("EDNS option runs past its record");
    options.push({ code: message.readUInt16BE(at), data: Buffer.from(message.subarray(at + 4, at + 4 + length)) });
    at += 4 + length;
  }
  if (at !== end) throw new RangeError("bytes left over behind the EDNS options");
  return options;
}
