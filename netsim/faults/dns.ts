// dns: DNS questions over UDP are answered with an rcode in the server's place, or late; those for one name or below it, or all.
// Left out: questions over TCP, which latency and reset cover.
import { FaultSetting, type FaultKind, type Packet } from "./fault.ts";
import { readDurationMs, readShare } from "./setting.ts";

const RCODES: Readonly<Record<string, number>> = { FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 };
const HEADER_BYTES = 12;

export const dns: FaultKind = {
  field: "dns",
  example: "dns=SERVFAIL",
  read(value) {
    if (typeof value !== "object" || value === null) throw new FaultSetting("must be an object with rcode, delay, share or name");
    const setting: Readonly<Record<string, unknown>> = { ...value };
    const rcode = member("rcode", () => readRcode(setting["rcode"]));
    const delayMs = setting["delay"] === undefined ? 0 : member("delay", () => readDurationMs(setting["delay"]));
    const share = setting["share"] === undefined ? 1 : member("share", () => readShare(setting["share"]));
    const name = member("name", () => readName(setting["name"]));
    if (rcode === undefined && delayMs === 0) throw new FaultSetting("must have an rcode or a delay");
    return {
      packet(random, direction) {
        if (direction === "back") return { pass: (packet) => [packet] };
        return {
          pass(packet, answer) {
            const asked = questionName(packet.bytes);
            if (asked === undefined || !isWithin(asked, name) || random.next() >= share) return [packet];
            const late: Packet = { bytes: packet.bytes, atMs: packet.atMs + delayMs };
            if (rcode === undefined) return [late];
            answer(answerWith(packet.bytes, rcode));
            return [];
          },
        };
      },
    };
  },
};

function member<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof FaultSetting ? new FaultSetting(error.message, field) : error;
  }
}

function readRcode(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const code = typeof value === "string" ? RCODES[value] : undefined;
  if (code === undefined) throw new FaultSetting(`must be one of ${Object.keys(RCODES).join(", ")}`);
  return code;
}

function readName(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value !== "string" || value === "") throw new FaultSetting("must be a DNS name");
  return value.toLowerCase().replace(/^\*\.|\.$/g, "");
}

const isWithin = (asked: string, name: string): boolean => name === "" || asked === name || asked.endsWith(`.${name}`);

/** The lower-case name of a query's first question; undefined when the bytes are no query. */
function questionName(bytes: Uint8Array): string | undefined {
  if (bytes.byteLength < HEADER_BYTES || ((bytes[2] ?? 0) & 0x80) !== 0) return undefined;
  const end = questionEnd(bytes);
  if (end === undefined) return undefined;
  const labels: string[] = [];
  for (let at = HEADER_BYTES; at < end - 5; at += (bytes[at] ?? 0) + 1) {
    labels.push(Buffer.from(bytes.subarray(at + 1, at + 1 + (bytes[at] ?? 0))).toString("latin1"));
  }
  return labels.join(".").toLowerCase();
}

/** Where the first question's type and class end; names in a question are not compressed. */
function questionEnd(bytes: Uint8Array): number | undefined {
  let at = HEADER_BYTES;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63) return undefined;
    at += length + 1;
    if (length === 0) break;
  }
  return at + 4 <= bytes.byteLength ? at + 4 : undefined;
}

/** The question again, as a response with this code and no records. */
function answerWith(query: Uint8Array, rcode: number): Uint8Array {
  const answer = Buffer.from(query.subarray(0, questionEnd(query) ?? HEADER_BYTES));
  answer[2] = 0x80 | ((query[2] ?? 0) & 0x79);
  answer[3] = rcode;
  answer.writeUInt16BE(1, 4);
  answer.fill(0, 6, HEADER_BYTES);
  return answer;
}
