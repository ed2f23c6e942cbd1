// loss: this share of datagrams never arrives. Counterpart: tc netem loss. Streams are not affected: TCP repeats what is lost.
import type { FaultKind } from "./fault.ts";
import { readShare } from "./setting.ts";

export const loss: FaultKind = {
  field: "loss",
  example: "loss=10%",
  read(value) {
    const share = readShare(value);
    return { packet: (random) => ({ pass: (packet) => (random.next() < share ? [] : [packet]) }) };
  },
};
