// Keeps status.loadBalancer.ingress of the Ingresses that count, and tells of annotations without effect by Events.
// Upstream: internal/ingress/status/status.go (leader only, on sync and every 60 s; here at once).
import type { Clock } from "../../model/clock.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import { draft, equalJson, keyOf, splitKey } from "../../model/object.ts";
import type { Component } from "../../model/ports.ts";
import { ConfigMaps, Ingresses, IngressClasses, Namespaces, Pods, Secrets, Services } from "../../model/resources.ts";
import { createController, on, type Store } from "../../store/index.ts";
import { createEventRecorder } from "../../store/event-recorder.ts";
import type { Objects } from "../annotations/annotation.ts";
import { PASSTHROUGH_OFF } from "../annotations/ssl-passthrough.ts";
import { ControllerConfig, type ControllerFlags } from "../config.ts";
import { classFacts } from "../routes/class-facts.ts";
import { ignoredBecause } from "../routes/ingress-class.ts";
import { inspectIngress, readIngress } from "../routes/ingress-part.ts";
import { sorted, statusAddresses } from "./status-addresses.ts";

export interface StatusControllerOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** The controllers' command line as it is now. */
  flags(): ControllerFlags;
  /** Whether some controller runs, and is not about to end. */
  running(): boolean;
  /** The controllers' pods. */
  pods(): readonly Pod[];
}

export function createStatusController({ store, clock, flags, running, pods }: StatusControllerOptions): Component {
  const events = createEventRecorder({ store, clock, component: "nginx-ingress-controller" });
  const all = (): readonly string[] => store.list(Ingresses).map(keyOf);
  /** What was last told about each Ingress. */
  const told = new Map<string, string>();
  /** Ingresses with annotations that name objects. */
  const needy = new Set<string>();
  const counts = (ingress: Ingress): boolean => ignoredBecause(ingress, flags(), classFacts(store)) === undefined;

  const warn = (ingress: Ingress): void => {
    const { configMap, enableSslPassthrough, disableSyncEvents } = flags();
    const { namespace, name } = splitKey(configMap);
    const config = new ControllerConfig(store.get(ConfigMaps, namespace, name)?.data, flags());
    const part = readIngress(ingress, config);
    const denials = "dropped" in part ? [] : part.annotations.denials;
    if (denials.length > 0) needy.add(keyOf(ingress));
    else needy.delete(keyOf(ingress));
    const objects = objectsOf(store);
    const denied =
      "dropped" in part
        ? undefined
        : (part.annotations.denied ?? denials.map(({ why }) => why(objects)).find((reason) => reason !== undefined));
    const problems = "dropped" in part ? [part.dropped] : [...part.annotations.problems];
    if (!("dropped" in part) && part.annotations.settings.sslPassthrough && !enableSslPassthrough)
      problems.push(config.prefix + PASSTHROUGH_OFF);
    const text = `${ingress.metadata.uid} ${problems.join("\n")} ${denied}`;
    if (told.get(keyOf(ingress)) === text) return;
    told.set(keyOf(ingress), text);
    if (denied !== undefined && !disableSyncEvents)
      events.event(ingress, "Warning", "AnnotationParsingFailed", `Error parsing annotations: ${denied}`);
    for (const problem of problems) events.event(ingress, "Warning", "Rejected", problem);
  };
  /** The revision of each Ingress that was last scheduled. */
  const scheduled = new Map<string, string>();
  /** As upstream says at each change, its own of the status among them. */
  const schedule = (ingress: Ingress): void => {
    const { disableSyncEvents, disableCatchAll, deepInspect } = flags();
    const revision = `${ingress.metadata.uid} ${ingress.metadata.resourceVersion}`;
    if (!running() || scheduled.get(keyOf(ingress)) === revision) return;
    scheduled.set(keyOf(ingress), revision);
    if (disableSyncEvents || (disableCatchAll && ingress.spec.defaultBackend) || (deepInspect && inspectIngress(ingress) !== undefined))
      return;
    events.event(ingress, "Normal", "Sync", "Scheduled for sync");
  };
  return createController({
    name: "ingress-status",
    store,
    clock,
    watches: [
      on(Ingresses, (ingress) => [keyOf(ingress)]),
      on(IngressClasses, all),
      on(Namespaces, () => (flags().watchNamespaceSelector === "" ? [] : all())),
      // A controller with other flags.
      on(Pods, (pod) => (pod.metadata.namespace === splitKey(flags().configMap).namespace ? all() : [])),
      on(ConfigMaps, (found) => (keyOf(found) === flags().configMap ? all() : [...needy])),
      on(Secrets, () => [...needy]),
      on(Services, (service) => (keyOf(service) === flags().publishService ? all() : [])),
    ],
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const ingress = store.get(Ingresses, namespace, name);
      if (!ingress) return void (told.delete(key), scheduled.delete(key), needy.delete(key));
      if (!counts(ingress)) return;
      schedule(ingress);
      warn(ingress);
      const { updateStatus, disableLeaderElection } = flags();
      const kept = running() && updateStatus && !disableLeaderElection;
      const addresses = kept ? statusAddresses(store, flags(), pods()) : undefined;
      if (!addresses || equalJson(sorted(ingress.status?.loadBalancer?.ingress ?? []), addresses)) return;
      await store.mutate(
        Ingresses,
        namespace,
        name,
        (edited) => {
          edited.status = { ...edited.status, loadBalancer: { ingress: draft(addresses) } };
        },
        { subresource: "status" },
      );
    },
  });
}

function objectsOf(store: Store): Objects {
  return {
    secret(key) {
      const { namespace, name } = splitKey(key);
      const secret = store.get(Secrets, namespace, name);
      return secret && Object.fromEntries(Object.entries(secret.data ?? {}).map(([name, text]) => [name, Buffer.from(text, "base64")]));
    },
    configMap(key) {
      const { namespace, name } = splitKey(key);
      const found = store.get(ConfigMaps, namespace, name);
      return found && (found.data ?? {});
    },
  };
}

/**
 * A controller that is deleted takes the address out of the Ingresses, unless others run or there are several addresses.
 * Upstream: status.go Shutdown.
 */
export async function clearStatus(store: Store, flags: ControllerFlags, pod: Pod, owners: readonly string[]): Promise<void> {
  const { namespace = "", name, labels = {} } = pod.metadata;
  const self = store.get(Pods, namespace, name);
  if (!flags.updateStatus || !flags.updateStatusOnShutdown || self?.metadata.deletionTimestamp === undefined) return;
  const addresses = statusAddresses(store, flags, [self]);
  const alike = Object.entries(labels).filter(([key]) => !PER_REVISION.has(key));
  const siblings = store.list(Pods, { namespace }).filter((other) => alike.every(([key, value]) => other.metadata.labels?.[key] === value));
  if (!addresses || addresses.length > 1 || siblings.length > 1) return;
  for (const owner of owners) {
    const key = splitKey(owner);
    if ((store.get(Ingresses, key.namespace, key.name)?.status?.loadBalancer?.ingress ?? []).length === 0) continue;
    const clear = (edited: { status?: Ingress["status"] }): void => void (edited.status = { ...edited.status, loadBalancer: {} });
    await store.mutate(Ingresses, key.namespace, key.name, clear, { subresource: "status" });
  }
}

const PER_REVISION: ReadonlySet<string> = new Set(["pod-template-hash", "controller-revision-hash", "pod-template-generation"]);
