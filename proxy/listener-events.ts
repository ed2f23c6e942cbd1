// Tells users, as Events on their Service, when an address could not be had as asked.
import type { Service } from "../model/kinds/core-v1.ts";
import type { EventRecorder } from "../store/event-recorder.ts";
import { type ListenerEvents, wantedKey } from "./service-listeners.ts";

/** `find` gives the Service behind a listener's owner key; without one nobody is told. */
export function listenerEvents(recorder: EventRecorder, find: (key: string) => Service | undefined): ListenerEvents {
  const about = (keys: readonly string[], type: "Normal" | "Warning", reason: string, message: string): void => {
    for (const key of keys) {
      const service = find(key);
      if (service) recorder.event(service, type, reason, message);
    }
  };
  return {
    opened: (wanted, services, { socket }) => {
      // In the mapped plan every socket is elsewhere, and status lists them.
      if (socket.ip !== wanted.ip || socket.port === wanted.port) return;
      about(services, "Normal", "PortMoved", `${wantedKey(wanted)} is not available to this user: use port ${socket.port} instead`);
    },
    failed: (wanted, services, error) => about(services, "Warning", "ListenFailed", `${wantedKey(wanted)}: ${error.message}`),
  };
}
