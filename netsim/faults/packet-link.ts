// A shaped link for one UDP flow and direction: datagrams pass the stages and arrive when those say so, in no order.
import type { Clock } from "../../model/clock.ts";
import type { Packet, PacketStage } from "./fault.ts";

/** Datagrams under way at once; beyond that they are lost. */
const LIMIT = 4096;

/** Takes datagrams of one flow in one direction. */
export type PacketLink = (bytes: Uint8Array, deliver: (bytes: Uint8Array) => void, answer: (bytes: Uint8Array) => void) => void;

export function createPacketLink(clock: Clock, stages: readonly PacketStage[]): PacketLink {
  let underWay = 0;
  return (bytes, deliver, answer) => {
    const now = clock.monotonic();
    let packets: readonly Packet[] = [{ bytes, atMs: now }];
    for (const stage of stages) packets = packets.flatMap((packet) => stage.pass(packet, answer));
    for (const packet of packets) {
      const delayMs = Math.ceil(packet.atMs - now);
      if (delayMs <= 0) {
        deliver(packet.bytes);
        continue;
      }
      if (underWay >= LIMIT) continue;
      underWay++;
      clock.after(
        delayMs,
        () => {
          underWay--;
          deliver(packet.bytes);
        },
        { background: true },
      );
    }
  };
}
