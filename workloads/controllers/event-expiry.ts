// Removes Events an hour after they were last written. Upstream: kube-apiserver --event-ttl, a lease in etcd; here a sweep each minute.
import { nextTurn, type Timer } from "../../model/clock.ts";
import { isStatus } from "../../model/errors.ts";
import { log } from "../../model/log.ts";
import type { Event } from "../../model/kinds/core-v1.ts";
import { namespaceOf } from "../../model/object.ts";
import type { Component } from "../../model/ports.ts";
import { Events } from "../../model/resources.ts";
import type { ControllerDependencies } from "./dependencies.ts";

const TTL_MS = 60 * 60 * 1000;
const SWEEP_INTERVAL_MS = 60_000;
/** Events removed between two turns of the event loop. */
const SLICE = 32;

export function createEventExpiry({ store, clock }: ControllerDependencies): Component {
  let timer: Timer | undefined;
  let stopped = false;
  let sweeping: Promise<void> = Promise.resolve();
  const sweep = async (): Promise<void> => {
    const expired = store.list(Events).filter((event) => clock.now() - lastWrittenMs(event) > TTL_MS);
    for (const [i, event] of expired.entries()) {
      if (stopped) return;
      await store.delete(Events, namespaceOf(event), event.metadata.name).catch((error: unknown) => {
        if (!isStatus(error, "NotFound")) throw error;
      });
      if (i % SLICE === SLICE - 1) await nextTurn();
    }
  };
  const arm = (): void => {
    timer = clock.after(
      SWEEP_INTERVAL_MS,
      () => {
        sweeping = sweep().catch((error: unknown) => log("warn", "expired events stay", { error }));
        if (!stopped) arm();
      },
      { background: true },
    );
  };
  const component: Component = {
    async start() {
      arm();
    },
    async stop() {
      stopped = true;
      timer?.cancel();
      await sweeping;
    },
    [Symbol.asyncDispose]: () => component.stop(),
  };
  return component;
}

function lastWrittenMs({ lastTimestamp, series, eventTime, metadata }: Event): number {
  return Date.parse(series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? "") || 0;
}
