// reorder: this share of datagrams waits 10 ms, so that those sent meanwhile overtake them. Counterpart: tc netem reorder.
import type { FaultKind } from "./fault.ts";
import { readShare } from "./setting.ts";

const WAIT_MS = 10;

export const reorder: FaultKind = {
  field: "reorder",
  example: "reorder=5%",
  read(value) {
    const share = readShare(value);
    return {
      packet: (random) => ({
        pass: ({ bytes, atMs }) => [{ bytes, atMs: random.next() < share ? atMs + WAIT_MS : atMs }],
      }),
    };
  },
};
