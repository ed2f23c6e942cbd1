// latency: every piece arrives this much later, counted from when it came. Counterpart: tc netem delay.
import type { FaultKind } from "./fault.ts";
import { readDurationMs } from "./setting.ts";

export const latency: FaultKind = {
  field: "latency",
  example: "latency=50ms",
  read(value) {
    const delayMs = readDurationMs(value);
    return {
      stream: () => ({ pass: (atMs) => atMs + delayMs }),
      packet: () => ({ pass: ({ bytes, atMs }) => [{ bytes, atMs: atMs + delayMs }] }),
    };
  },
};
