// A controller tells of each configuration that it takes up: its log has what is wrong with hosts that changed, then two lines; its pod has
// an Event, and each of its ConfigMaps that is new to it or has changed. Endpoints are no configuration.
// Upstream: controller.go syncIngress, nginx.go OnUpdate, store.go handleCfgMapEvent; klog's line format.
import type { Writable } from "node:stream";
import { type Clock, nextTurn } from "../../model/clock.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import { keyOf, splitKey } from "../../model/object.ts";
import { ConfigMaps, Ingresses } from "../../model/resources.ts";
import { createEventRecorder } from "../../store/event-recorder.ts";
import type { Store } from "../../store/index.ts";
import { classFacts } from "../routes/class-facts.ts";
import { ClassLog } from "./class-log.ts";
import type { Server } from "../routes/route-table.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";
import { serverWarnings } from "./server-warnings.ts";

/** Hosts looked at in one turn of the event loop. */
const SLICE = 500;

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
  /** Servers that were looked at: one that has not changed is the same object in the next table. */
  const known = new WeakSet<Server>();
  const warn = (server: Server): void => {
    known.add(server);
    for (const [place, text] of serverWarnings(server, feed, clock.now())) log.write(line("W", clock.now(), place, text));
  };
  const tell = async (): Promise<void> => {
    if (feed.reloads === seen) return;
    seen = feed.reloads;
    let looked = 0;
    const { hosts, wildcards, fallback } = feed.table;
    for (const server of [fallback, ...hosts.values(), ...wildcards.values()]) {
      if (known.has(server)) continue;
      warn(server);
      if (++looked % SLICE === 0) await nextTurn();
    }
    log.write(line("I", clock.now(), "controller.go:213", '"Configuration changes detected, backend reload required"'));
    log.write(line("I", clock.now(), "controller.go:231", '"Backend successfully reloaded"'));
    // A pod without a place in the store has no Events.
    if (pod.metadata.uid !== undefined) events.event(pod, "Normal", "RELOAD", "NGINX reload triggered due to a change in configuration");
  };
  const { configMap, tcpServices, udpServices, disableSyncEvents } = feed.flags;
  const configMaps = disableSyncEvents ? [] : [configMap, tcpServices, udpServices].filter((key) => key !== "");
  /** Their revisions, as far as they have been told. */
  const told = new Map<string, string | undefined>();
  const tellConfigMaps = (): void => {
    for (const key of configMaps) {
      const { namespace, name } = splitKey(key);
      const object = store.get(ConfigMaps, namespace, name);
      const revision = object?.metadata.resourceVersion;
      if (told.get(key) === revision) continue;
      if (object) events.event(object, "Normal", told.get(key) === undefined ? "CREATE" : "UPDATE", `ConfigMap ${key}`);
      told.set(key, revision);
    }
  };
  const classes = new ClassLog(feed.flags, classFacts(store));
  const tellIngress = (key: string, ingress: Ingress | undefined): void => {
    const said = classes.line(key, ingress);
    if (said) log.write(line("I", clock.now(), ...said));
  };
  for (const ingress of store.list(Ingresses)) tellIngress(keyOf(ingress), ingress);
  tellConfigMaps();
  void tell();
  return feed.onChange((changed) => {
    for (const key of changed) {
      const { namespace, name } = splitKey(key);
      tellIngress(key, store.get(Ingresses, namespace, name));
    }
    tellConfigMaps();
    void tell();
  });
}

/** `I1128 09:00:00.000000       7 controller.go:231] "text"`: the controller is process 7 of its container. */
function line(level: "I" | "W", nowMs: number, place: string, text: string): string {
  const [date = "", time = ""] = new Date(nowMs).toISOString().split("T");
  return `${level}${date.slice(5).replace("-", "")} ${time.slice(0, -1)}000       7 ${place}] ${text}\n`;
}
