// A full descriptor budget as people see it: one Warning Event on the control plane's Node for each time it fills up.
import type { Clock } from "../model/clock.ts";
import { Nodes } from "../model/resources.ts";
import type { DescriptorPressure } from "../netsim/index.ts";
import { createEventRecorder } from "../store/event-recorder.ts";
import type { Store } from "../store/index.ts";

/** What the fabric calls when new connections begin to be reset for want of descriptors. */
export function descriptorEvents(options: {
  readonly store: Store;
  readonly clock: Clock;
  readonly node: string;
}): (pressure: DescriptorPressure) => void {
  const { store, clock, node } = options;
  const recorder = createEventRecorder({ store, clock, component: "fabric", host: node });
  return ({ budget }) => {
    const object = store.get(Nodes, "", node);
    if (object)
      recorder.event(
        object,
        "Warning",
        "TooManyConnections",
        `all ${budget} descriptors for connections are in use (ulimit -n less a reserve): new connections are reset until some close`,
      );
  };
}
