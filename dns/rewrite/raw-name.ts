// The name at the end of DNAME and NAPTR data, which are kept as bytes. Upstream: CoreDNS plugin/rewrite/rewrite.go getRecordValueForRewrite.
import { labelOctets, labelsOf } from "../name.ts";
import { readName } from "../wire-name.ts";

const [NAPTR, DNAME] = [35, 39];
/** Flags, services and a regular expression follow order and preference. */
const NAPTR_TEXTS = 3;

/** The data with its name in another form; the same data when it has none, or is malformed. */
export function renamedData(code: number, data: Uint8Array, rename: (name: string) => string | undefined): Uint8Array {
  if (code !== DNAME && code !== NAPTR) return data;
  const bytes = Buffer.from(data);
  try {
    const at = code === DNAME ? 0 : afterTexts(bytes);
    const { name, end } = readName(bytes, at);
    const renamed = rename(name);
    return renamed === undefined || end !== bytes.length ? data : Buffer.concat([bytes.subarray(0, at), encodedName(renamed)]);
  } catch (error) {
    if (error instanceof RangeError) return data;
    throw error;
  }
}

function afterTexts(bytes: Buffer): number {
  let at = 4;
  for (let i = 0; i < NAPTR_TEXTS; i++) at += 1 + bytes.readUInt8(at);
  return at;
}

function encodedName(name: string): Buffer {
  const labels = labelsOf(name).map((label) => Buffer.from(labelOctets(label), "latin1"));
  return Buffer.concat([...labels.flatMap((label) => [Buffer.from([label.length]), label]), Buffer.from([0])]);
}
