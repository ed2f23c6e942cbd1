// What is wrong with tcp-services and udp-services, as Warnings on their ConfigMaps. Upstream only logs it.
import type { Clock } from "../../model/clock.ts";
import { splitKey } from "../../model/object.ts";
import { ConfigMaps } from "../../model/resources.ts";
import type { Store } from "../../store/index.ts";
import { createEventRecorder } from "../../store/event-recorder.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";

/** Tells each problem of a feed once, for all controllers that share it, and again when it comes back. */
export function tellStreamProblems(feed: RoutesFeed, store: Store, clock: Clock): void {
  const { tcpServices, udpServices } = feed.flags;
  if (tcpServices === "" && udpServices === "") return;
  const events = createEventRecorder({ store, clock, component: "nginx-ingress-controller" });
  let told = new Set<string>();
  feed.onChange(() => {
    const { problems } = feed.streams;
    for (const { configMap, text } of problems) {
      const { namespace, name } = splitKey(configMap);
      const object = told.has(text) ? undefined : store.get(ConfigMaps, namespace, name);
      if (object) events.event(object, "Warning", "Rejected", text);
    }
    told = new Set(problems.map(({ text }) => text));
  });
}
