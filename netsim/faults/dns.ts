// dns: DNS questions, over UDP and TCP, are answered with an rcode in the server's place, or late; those for one name or below it, or all.
// On a TCP connection a late question holds back those behind it.
import type { Random } from "../../model/random.ts";
import { answerWith, questionName } from "./dns-message.ts";
import { DnsMessages } from "./dns-messages.ts";
import { FaultSetting, type FaultKind } from "./fault.ts";
import { readDurationMs, readShare } from "./setting.ts";

const RCODES: Readonly<Record<string, number>> = { FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 };

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
    /** What becomes of a message: an answer instead of it, or how late it goes on. */
    const judge = (message: Uint8Array, random: Random): Uint8Array | number => {
      const asked = questionName(message);
      if (asked === undefined || !isWithin(asked, name) || random.next() >= share) return 0;
      return rcode === undefined ? delayMs : answerWith(message, rcode);
    };
    return {
      packet(random, direction) {
        if (direction === "back") return { pass: (packet) => [packet] };
        return {
          pass(packet, answer) {
            const fate = judge(packet.bytes, random);
            if (typeof fate === "number") return [{ bytes: packet.bytes, atMs: packet.atMs + fate }];
            answer(fate);
            return [];
          },
        };
      },
      filter: (random) =>
        new DnsMessages((framed) => {
          const fate = judge(framed.subarray(2), random);
          if (typeof fate === "number") return { type: "pass", bytes: framed, delayMs: fate };
          return { type: "answer", bytes: Buffer.concat([Buffer.from([fate.byteLength >> 8, fate.byteLength & 255]), fate]) };
        }),
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
