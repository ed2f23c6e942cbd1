// slowClose: the end of a connection (FIN) arrives this much after its last byte. Counterpart: Toxiproxy's slow_close.
import type { FaultKind } from "./fault.ts";
import { readDurationMs } from "./setting.ts";

export const slowClose: FaultKind = {
  field: "slowClose",
  example: "slowClose=2s",
  read(value) {
    const delayMs = readDurationMs(value);
    return { stream: () => ({ pass: (atMs, _sizeBytes, end) => (end ? atMs + delayMs : atMs) }) };
  },
};
