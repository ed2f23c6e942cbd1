// A node's kubelet: one worker per pod bound to the node, fed from the node's delayed view of the cluster.
// Upstream: pkg/kubelet/kubelet.go syncLoop. Left out: eviction, static pods, image garbage collection.
import { nextTurn } from "../../model/clock.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { Component } from "../../model/ports.ts";
import { ConfigMaps, Pods, Secrets } from "../../model/resources.ts";
import type { Change, Cursor } from "../../store/contract.ts";
import type { NodeServices } from "./node-services.ts";
import { PodWorker } from "./pod-worker.ts";

/** Pods looked at between two turns of the event loop. */
const SLICE = 16;

export interface Kubelet extends Component {
  /** The worker of a pod by its uid. */
  worker(uid: string): PodWorker | undefined;
  readonly workers: Iterable<PodWorker>;
}

export function createKubelet(services: Omit<NodeServices, "reader">, delayMs: number): Kubelet {
  return new NodeKubelet(services, delayMs);
}

class NodeKubelet implements Kubelet {
  readonly #base: Omit<NodeServices, "reader">;
  readonly #delayMs: number;
  readonly #workers = new Map<string, PodWorker>();
  /** uid of the worker by the pod's key, to find it when the object is gone. */
  readonly #uids = new Map<string, string>();
  readonly #due = new Set<PodWorker>();
  readonly #abort = new AbortController();
  #services: NodeServices | undefined;
  #cursor: Cursor | undefined;
  #feeding: Promise<void> = Promise.resolve();
  #draining: Promise<void> | undefined;
  #tracking: Disposable | undefined;

  constructor(services: Omit<NodeServices, "reader">, delayMs: number) {
    this.#base = services;
    this.#delayMs = delayMs;
  }
  get workers(): Iterable<PodWorker> {
    return this.#workers.values();
  }
  worker(uid: string): PodWorker | undefined {
    return this.#workers.get(uid);
  }
  async start(): Promise<void> {
    const name = `kubelet/${this.#base.nodeName}`;
    this.#cursor = this.#base.store.cursor({ delayMs: this.#delayMs, name });
    this.#services = { ...this.#base, reader: this.#cursor };
    this.#tracking = this.#base.store.track({
      name,
      idle: () => this.#due.size === 0 && ![...this.#workers.values()].some((worker) => worker.busy),
    });
    this.#feeding = this.#feed(this.#cursor, this.#services);
  }
  async stop(): Promise<void> {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#cursor?.close();
    await this.#feeding;
    await this.#draining;
    await Promise.all([...this.#workers.values()].map((worker) => worker.shutdown()));
    this.#workers.clear();
    this.#tracking?.[Symbol.dispose]();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #feed(cursor: Cursor, services: NodeServices): Promise<void> {
    for await (const batch of cursor.batches([Pods, ConfigMaps, Secrets], this.#abort.signal)) {
      let references = false;
      for (const change of batch) {
        if (isPodChange(change)) this.#observe(change, services);
        else references = true;
      }
      // A pod may be waiting for just this ConfigMap or Secret.
      if (!references) continue;
      for (const worker of this.#workers.values()) {
        worker.referencesChanged();
        if (worker.pod.status?.phase === "Pending") this.#poke(worker);
      }
    }
  }
  #observe({ key, object }: Change<Pod>, services: NodeServices): void {
    const known = this.#uids.get(key);
    const uid = object?.metadata.uid;
    if (known !== undefined && known !== uid) {
      // Gone, or replaced by another pod of the same name.
      const worker = this.#workers.get(known);
      worker?.update(undefined);
      if (worker) this.#poke(worker);
      this.#uids.delete(key);
    }
    if (!object || uid === undefined || object.spec.nodeName !== services.nodeName) return;
    let worker = this.#workers.get(uid);
    if (!worker) {
      const made: PodWorker = new PodWorker(object, services, () => this.#poke(made));
      worker = made;
      this.#workers.set(uid, worker);
      this.#uids.set(key, uid);
    }
    worker.update(object);
    this.#poke(worker);
  }
  #poke(worker: PodWorker): void {
    if (this.#abort.signal.aborted || !this.#workers.has(worker.uid)) return;
    this.#due.add(worker);
    this.#draining ??= this.#drain();
  }
  async #drain(): Promise<void> {
    await nextTurn();
    let count = 0;
    for (const worker of this.#due) {
      this.#due.delete(worker);
      if (this.#abort.signal.aborted) break;
      worker.sync();
      if (worker.finished) this.#workers.delete(worker.uid);
      if (++count % SLICE === 0) await nextTurn();
    }
    this.#draining = undefined;
  }
}

function isPodChange(change: Change): change is Change<Pod> {
  return change.type.resource === Pods.resource && change.type.group === Pods.group;
}
