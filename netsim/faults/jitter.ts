// jitter: each piece arrives up to this much earlier or later, uniformly; never before it was sent. Datagrams may overtake each
// other by it, a stream's bytes do not. Counterpart: tc netem delay's second value.
import type { Random } from "../../model/random.ts";
import type { FaultKind } from "./fault.ts";
import { readDurationMs } from "./setting.ts";

export const jitter: FaultKind = {
  field: "jitter",
  example: "jitter=10ms",
  read(value) {
    const jitterMs = readDurationMs(value);
    const shift = (random: Random): number => (random.next() * 2 - 1) * jitterMs;
    return {
      stream: (random) => ({ pass: (atMs) => atMs + shift(random) }),
      packet: (random) => ({ pass: ({ bytes, atMs }) => [{ bytes, atMs: atMs + shift(random) }] }),
    };
  },
};
