// reset: this share of connections ends with RST once established, and the same share of those open already at once.
// Counterpart: Toxiproxy's reset_peer.
import type { FaultKind } from "./fault.ts";
import { readShare } from "./setting.ts";

export const reset: FaultKind = {
  field: "reset",
  example: "reset=1%",
  read(value) {
    const share = readShare(value);
    return { live: "reset", open: (random) => (random.next() < share ? "reset" : "pass") };
  },
};
