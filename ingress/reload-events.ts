// A controller tells of each configuration that it takes up: two lines in its log and an Event on its pod. Endpoints are none.
// Upstream: controller.go syncIngress, nginx.go OnUpdate; klog's line format.
import type { Writable } from "node:stream";
import type { Clock } from "../model/clock.ts";
import type { Pod } from "../model/kinds/core-v1.ts";
import { createEventRecorder } from "../store/event-recorder.ts";
import type { Store } from "../store/index.ts";
import type { RoutesFeed } from "./serve/routes-feed.ts";

export interface ReloadTeller {
  readonly feed: RoutesFeed;
  readonly pod: Pod;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Writable;
}

/** Until disposed. The first configuration is one, too. */
export function tellReloads({ feed, pod, store, clock, log }: ReloadTeller): Disposable {
  const events = createEventRecorder({ store, clock, component: "nginx-ingress-controller" });
  let seen = -1;
  const tell = (): void => {
    if (feed.reloads === seen) return;
    seen = feed.reloads;
    log.write(infoLine(clock.now(), "controller.go:213", "Configuration changes detected, backend reload required"));
    log.write(infoLine(clock.now(), "controller.go:231", "Backend successfully reloaded"));
    // A pod without a place in the store has no Events.
    if (pod.metadata.uid !== undefined) events.event(pod, "Normal", "RELOAD", "NGINX reload triggered due to a change in configuration");
  };
  tell();
  return feed.onChange(tell);
}

/** `I1128 09:00:00.000000       7 controller.go:231] "text"`: the controller is process 7 of its container. */
function infoLine(nowMs: number, place: string, text: string): string {
  const [date = "", time = ""] = new Date(nowMs).toISOString().split("T");
  return `I${date.slice(5).replace("-", "")} ${time.slice(0, -1)}000       7 ${place}] ${JSON.stringify(text)}\n`;
}
