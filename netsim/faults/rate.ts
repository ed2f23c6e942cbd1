// rate: the bandwidth of each flow in each direction. A stream's sender is held back when 50 ms' worth waits; datagrams queue for
// 64 KiB, and beyond that are lost. Counterpart: tc netem rate.
import type { FaultKind } from "./fault.ts";
import { readRate } from "./setting.ts";

/** A stream is cut into pieces of this duration, so that it flows evenly. */
const PIECE_MS = 10;
const SLACK_MS = 50;
const QUEUE_BYTES = 65_536;

export const rate: FaultKind = {
  field: "rate",
  example: "rate=1Mbit",
  read(value) {
    const bytesPerMs = readRate(value);
    return {
      stream() {
        let busyUntil = 0;
        return {
          pieceBytes: Math.max(1, Math.floor(bytesPerMs * PIECE_MS)),
          pass: (atMs, sizeBytes) => (busyUntil = Math.max(atMs, busyUntil) + sizeBytes / bytesPerMs),
          readyAt: () => busyUntil - SLACK_MS,
        };
      },
      packet() {
        let busyUntil = 0;
        return {
          pass({ bytes, atMs }) {
            const waiting = Math.max(0, busyUntil - atMs) * bytesPerMs;
            if (waiting > 0 && waiting + bytes.byteLength > QUEUE_BYTES) return [];
            busyUntil = Math.max(atMs, busyUntil) + bytes.byteLength / bytesPerMs;
            return [{ bytes, atMs: busyUntil }];
          },
        };
      },
    };
  },
};
