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

interface Pending {
  /** Equal for events that are counted on one object, and seldom for others. */
  readonly identity: number;
  readonly event: Event;
}

/** Events of one recorder whose repetition is recognised. */
const MAX_KNOWN = 4096;

function remember(names: Map<number, string>, identity: number, name: string): void {
  names.delete(identity);
  names.set(identity, name);
  if (names.size <= MAX_KNOWN) return;
  const [oldest] = names.keys();
  if (oldest !== undefined) names.delete(oldest);
}

const stamps = new WeakMap<Store, bigint>();

/** Nanoseconds in hexadecimal, each later than the one before: events of an object are listed by name, and so in order. */
function nextStamp(store: Store, clock: Clock): string {
  const now = BigInt(Math.floor(clock.now())) * 1_000_000n;
  const last = stamps.get(store) ?? 0n;
  const stamp = now > last ? now : last + 1n;
  stamps.set(store, stamp);
  return stamp.toString(16);
}

/** An EventRecorder of one component. Events of cluster-scoped objects go to namespace `default`, as upstream's do. */
export function createEventRecorder({ store, clock, component, host }: EventRecorderOptions): EventRecorder {
  let queue: Pending[] = [];
  const names = new Map<number, string>();
  let writing = false;
  store.track({ name: `events/${component}${host === undefined ? "" : `/${host}`}`, idle: () => !writing && queue.length === 0 });

  const write = async ({ identity, event }: Pending): Promise<void> => {
    const namespace = event.metadata.namespace ?? "";
    const known = names.get(identity);
    const existing = known === undefined ? undefined : store.get(Events, namespace, known);
    if (!existing || !isRepetition(existing, event)) {
      const made = await store.create(Events, event);
      remember(names, identity, made.metadata.name);
      return;
    }
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
        for (const [index, pending] of batch.entries()) {
          if (index % SLICE === SLICE - 1) await nextTurn();
          await write(pending).catch(ignoreRefusal);
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
      const identity = hash32([object.metadata.uid, fieldPath, reason, message].join("\n"));
      const event: Event = {
        apiVersion: "v1",
        kind: "Event",
        metadata: { name: [object.metadata.name, nextStamp(store, clock)].join("."), namespace: object.metadata.namespace ?? "default" },
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
      };
      queue.push({ identity, event });
      void pump();
    },
  };
}

/** The same thing said of the same object by the same recorder. */
function isRepetition(existing: Event, event: Event): boolean {
  const { uid, fieldPath } = event.involvedObject;
  const same = existing.involvedObject.uid === uid && existing.involvedObject.fieldPath === fieldPath;
  return same && existing.reason === event.reason && existing.message === event.message && existing.type === event.type;
}

/** An event about an object whose namespace is going away, or that another writer has just counted, is lost without harm. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof StatusError)) throw error;
}
