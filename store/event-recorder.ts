// The recorder of core/v1 Events: one call per thing a user should see, repeated ones counted on one object.
// Upstream: client-go tools/record (recorder, EventAggregator). Left out: spam filtering by source and message aggregation.
import type { Clock } from "../model/clock.ts";
import { nextTurn, timestamp } from "../model/clock.ts";
import { StatusError } from "../model/errors.ts";
import type { Event, ObjectReference } from "../model/kinds/core-v1.ts";
import { draft, type KubeObject } from "../model/object.ts";
import { hash32 } from "../model/random.ts";
import { Events } from "../model/resources.ts";
import type { Store } from "./contract.ts";

/** Events written between two turns of the event loop. */
const SLICE = 32;

export type EventType = "Normal" | "Warning";

/** Writes Events about objects; never throws and never waits: writes happen in order, in the background. */
export interface EventRecorder {
  /** Records `reason: message` about `object`; `fieldPath` narrows it, e.g. `spec.containers{web}`. */
  event(object: KubeObject, type: EventType, reason: string, message: string, fieldPath?: string): void;
}

export interface EventRecorderOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** `kubelet`, `deployment-controller`, …: the event's source. */
  readonly component: string;
  /** The node, for events of its kubelet. */
  readonly host?: string;
}

/** An EventRecorder of one component. Events of cluster-scoped objects go to namespace `default`, as upstream's do. */
export function createEventRecorder({ store, clock, component, host }: EventRecorderOptions): EventRecorder {
  let queue: Event[] = [];
  let writing = false;
  store.track({ name: `events/${component}${host === undefined ? "" : `/${host}`}`, idle: () => !writing && queue.length === 0 });

  const write = async (event: Event): Promise<void> => {
    const { namespace = "", name } = event.metadata;
    const existing = store.get(Events, namespace, name);
    if (!existing) return void (await store.create(Events, event));
    const next = draft(existing);
    next.count = (next.count ?? 1) + 1;
    if (event.lastTimestamp !== undefined) next.lastTimestamp = event.lastTimestamp;
    await store.update(Events, next);
  };
  const pump = async (): Promise<void> => {
    if (writing) return;
    writing = true;
    try {
      while (queue.length > 0) {
        const batch = queue;
        queue = [];
        for (const [index, event] of batch.entries()) {
          if (index % SLICE === SLICE - 1) await nextTurn();
          await write(event).catch(ignoreRefusal);
        }
      }
    } finally {
      writing = false;
    }
  };
  return {
    event(object, type, reason, message, fieldPath) {
      const involvedObject: ObjectReference = {
        kind: object.kind,
        ...(object.metadata.namespace === undefined ? {} : { namespace: object.metadata.namespace }),
        name: object.metadata.name,
        ...(object.metadata.uid === undefined ? {} : { uid: object.metadata.uid }),
        apiVersion: object.apiVersion,
        ...(object.metadata.resourceVersion === undefined ? {} : { resourceVersion: object.metadata.resourceVersion }),
        ...(fieldPath === undefined ? {} : { fieldPath }),
      };
      const at = timestamp(clock);
      const identity = [object.kind, object.metadata.uid, fieldPath, type, reason, message, component, host].join("\n");
      const digits = [0, 1].map((seed) => hash32(identity, seed).toString(16).padStart(8, "0")).join("");
      queue.push({
        apiVersion: "v1",
        kind: "Event",
        metadata: { name: `${object.metadata.name}.${digits}`, namespace: object.metadata.namespace ?? "default" },
        involvedObject,
        reason,
        message,
        source: { component, ...(host === undefined ? {} : { host }) },
        firstTimestamp: at,
        lastTimestamp: at,
        count: 1,
        type,
        reportingComponent: component,
        reportingInstance: host ?? "",
      });
      void pump();
    },
  };
}

/** An event about an object whose namespace is going away, or that another writer has just counted, is lost without harm. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof StatusError)) throw error;
}
