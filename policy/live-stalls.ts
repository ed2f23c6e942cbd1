// Open flows that stand still: nothing gets through in either direction, as when every packet is lost, until they may go on.
import type { Flow, Peer, SocketAddress } from "../model/ports.ts";
import type { Fabric, LiveFlow } from "../netsim/index.ts";

interface StallableFlow {
  readonly from: Peer;
  readonly protocol: Flow["protocol"];
  readonly endpoint: SocketAddress;
  readonly service: string | undefined;
}

export class LiveStalls {
  readonly #fabric: Pick<Fabric, "flows" | "udpFlows">;
  readonly #stalled = new Set<LiveFlow>();
  #udpStalled = false;

  constructor(fabric: Pick<Fabric, "flows" | "udpFlows">) {
    this.#fabric = fabric;
  }
  /** Stops the flows for which `stands` holds and lets the rest go on; undefined: all may go on. */
  enforce(stands: ((flow: StallableFlow) => boolean) | undefined): void {
    if (!stands && this.#stalled.size === 0 && !this.#udpStalled) return;
    const { flows, udpFlows } = this.#fabric;
    for (const flow of this.#stalled) if (!flows.has(flow)) this.#stalled.delete(flow);
    for (const flow of flows.list()) {
      const { endpoint } = flow;
      if (!endpoint) continue;
      const now = stands?.({ from: flow.from, protocol: flow.protocol, endpoint, service: flow.service }) ?? false;
      if (now === this.#stalled.has(flow)) continue;
      flow.stall(now);
      if (now) this.#stalled.add(flow);
      else this.#stalled.delete(flow);
    }
    this.#udpStalled = stands !== undefined;
    udpFlows.stallWhere(({ from, endpoint, service }) => stands?.({ from, protocol: "UDP", endpoint, service }) ?? false);
  }
}
