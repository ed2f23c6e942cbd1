// duplicate: this share of datagrams arrives twice. Counterpart: tc netem duplicate.
import type { FaultKind } from "./fault.ts";
import { readShare } from "./setting.ts";

export const duplicate: FaultKind = {
  field: "duplicate",
  example: "duplicate=5%",
  read(value) {
    const share = readShare(value);
    return { packet: (random) => ({ pass: (packet) => (random.next() < share ? [packet, packet] : [packet]) }) };
  },
};
