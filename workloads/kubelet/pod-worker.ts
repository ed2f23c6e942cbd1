// One pod's life on its node: address, volumes, init containers in order, containers, restarts, termination. Each `sync` looks at the pod
// and its containers as they are and starts or stops what is due; whatever then happens in the background pokes the worker again.
// Upstream: pkg/kubelet/pod_workers.go, kuberuntime_manager.go SyncPod.
import { timestamp, type Timer } from "../../model/clock.ts";
import { isStatus } from "../../model/errors.ts";
import type { Pod, PodStatus } from "../../model/kinds/core-v1.ts";
import { equalJson } from "../../model/object.ts";
import type { Peer } from "../../model/ports.ts";
import { Pods } from "../../model/resources.ts";
import { ContainerWorker, type ContainerRole } from "./container-worker.ts";
import type { NodeServices } from "./node-services.ts";
import { addressesOf, ipsOf } from "./downward-api.ts";
import { podStatus } from "./pod-status.ts";
import type { PodWorld } from "./sandbox.ts";
import { PodVolumes } from "./volumes.ts";

const RETRY_MS = 10_000;
/** What a pod gets that was deleted by force: its object is gone, its programs have this long. */
const ORPHAN_GRACE_MS = 1000;

export class PodWorker {
  readonly uid: string;
  readonly #services: NodeServices;
  readonly #poke: () => void;
  readonly #startTime: string;
  #pod: Pod;
  /** The object is gone from the store. */
  #gone = false;
  #world: PodWorld | undefined;
  #init: readonly ContainerWorker[] = [];
  #containers: readonly ContainerWorker[] = [];
  readonly #ephemeral: ContainerWorker[] = [];
  #failure: { readonly reason: string; readonly message: string } | undefined;
  #told = new Set<string>();
  #timer: Timer | undefined;
  #writing = false;
  #rewrite = false;
  #ended = false;
  #finished = false;

  constructor(pod: Pod, services: NodeServices, poke: () => void) {
    this.uid = pod.metadata.uid ?? "";
    this.#pod = pod;
    this.#services = services;
    this.#poke = poke;
    this.#startTime = pod.status?.startTime ?? timestamp(services.clock);
  }
  get pod(): Pod {
    return this.#pod;
  }
  /** Nothing of it is left: the worker can be forgotten. */
  get finished(): boolean {
    return this.#finished;
  }
  get ip(): string | undefined {
    return this.#world?.ip;
  }
  get peer(): Peer | undefined {
    return this.#ended ? undefined : this.#world?.peer;
  }
  get busy(): boolean {
    return this.#writing || this.#all().some((container) => container.busy);
  }
  container(name: string): ContainerWorker | undefined {
    return this.#all().find((container) => container.spec.name === name);
  }
  /** Takes the pod as it is now; undefined when it is gone. */
  update(pod: Pod | undefined): void {
    if (pod) this.#pod = pod;
    else this.#gone = true;
  }
  /** A ConfigMap or Secret has changed: containers that wait for one try again. */
  referencesChanged(): void {
    for (const container of this.#all()) container.retryConfig();
  }
  /** Ends everything at once, without a trace in the store: the cluster goes down. */
  async shutdown(): Promise<void> {
    this.#timer?.cancel();
    await Promise.all(this.#all().map((container) => container.destroy()));
  }

  sync(): void {
    if (this.#finished) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#gone || this.#pod.metadata.deletionTimestamp !== undefined) return this.#terminate();
    if (this.#pod.status?.phase === "Succeeded" || this.#pod.status?.phase === "Failed") return this.#rest();
    if (this.#deadlinePassed()) return this.#fail();
    const world = (this.#world ??= this.#createWorld());
    if (!world) return;
    if (this.#containers.length === 0) this.#createContainers(world);
    const missing = world.volumes.missing();
    if (
      missing !== undefined &&
      this.#containers.every((container) => container.phase === "waiting") &&
      this.#init.every((container) => container.phase === "waiting")
    ) {
      this.#tellOnce("Warning", "FailedMount", missing);
      this.#wakeIn(RETRY_MS);
      return this.#publish();
    }
    if (this.#syncInit()) this.#syncContainers();
    this.#syncEphemeral(world);
    this.#publish();
  }

  #createWorld(): PodWorld | undefined {
    const { spec, metadata } = this.#pod;
    const services = this.#services;
    let peer = services.nodePeer;
    if (!spec.hostNetwork) {
      try {
        peer = services.allocatePeer(metadata.namespace ?? "", metadata.name);
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        this.#tellOnce(
          "Warning",
          "FailedCreatePodSandBox",
          `Failed to create pod sandbox: failed to set up network for sandbox: ${detail}`,
        );
        this.#wakeIn(RETRY_MS);
        return undefined;
      }
    }
    const { ip } = peer;
    const pod = (): Pod => this.#pod;
    const { reader, allocatable, token, claims } = services;
    const volumes = new PodVolumes({ reader, pod, addresses: addressesOf(peer, services.nodePeer), allocatable, token, claims });
    for (const name of volumes.unmodelled()) {
      this.#tellOnce(
        "Warning",
        "VolumeNotModelled",
        `volume "${name}" is of a type that loopkube does not model: an empty folder stands in for it`,
      );
    }
    return { services, pod, ip, peer, volumes };
  }
  #createContainers(world: PodWorld): void {
    const make = (spec: ContainerWorker["spec"], role: ContainerRole): ContainerWorker =>
      new ContainerWorker(spec, role, world, () => this.#poke());
    this.#init = (this.#pod.spec.initContainers ?? []).map((spec) => make(spec, spec.restartPolicy === "Always" ? "sidecar" : "init"));
    this.#containers = this.#pod.spec.containers.map((spec) => make(spec, "app"));
  }

  /** Init containers one after another; a sidecar holds the next back only until it has started. True when all have done their part. */
  #syncInit(): boolean {
    for (const container of this.#init) {
      if (container.role === "sidecar") {
        if (container.phase === "waiting" || container.phase === "exited") this.#startWhenDue(container);
        if (!container.started && !this.#containers.some((other) => other.phase !== "waiting")) return this.#holdBack();
        continue;
      }
      if (container.exitCode === 0) continue;
      if (container.phase === "exited" && this.#pod.spec.restartPolicy === "Never") {
        this.#stopAll(0);
        return false;
      }
      if (container.phase === "waiting" || container.phase === "exited") this.#startWhenDue(container);
      return this.#holdBack();
    }
    return true;
  }
  #holdBack(): false {
    for (const container of this.#containers) container.setWaiting("PodInitializing");
    return false;
  }
  #syncContainers(): void {
    const policy = this.#pod.spec.restartPolicy ?? "Always";
    for (const container of this.#containers) {
      if (container.phase === "waiting") this.#startWhenDue(container);
      if (container.phase !== "exited") continue;
      if (policy === "Always" || (policy === "OnFailure" && container.exitCode !== 0)) this.#startWhenDue(container);
    }
    const over = this.#containers.every(
      (container) => container.phase === "exited" && (policy === "Never" || (policy === "OnFailure" && container.exitCode === 0)),
    );
    if (over) this.#stopAll(this.#graceMs());
  }
  #syncEphemeral(world: PodWorld): void {
    for (const spec of this.#pod.spec.ephemeralContainers ?? []) {
      if (this.#ephemeral.some((container) => container.spec.name === spec.name)) continue;
      const { targetContainerName: _target, ...container } = spec;
      const worker = new ContainerWorker(container, "ephemeral", world, () => this.#poke());
      this.#ephemeral.push(worker);
      worker.start();
    }
  }
  #startWhenDue(container: ContainerWorker): void {
    const waitMs = container.startableInMs();
    if (waitMs === 0) return container.start();
    container.awaitRestart();
    this.#wakeIn(waitMs);
  }

  #deadlinePassed(): boolean {
    const seconds = this.#pod.spec.activeDeadlineSeconds;
    if (seconds === undefined) return false;
    const leftMs = Date.parse(this.#startTime) + seconds * 1000 - this.#services.clock.now();
    if (leftMs > 0) this.#wakeIn(leftMs);
    return leftMs <= 0;
  }
  #fail(): void {
    if (!this.#failure) {
      this.#failure = { reason: "DeadlineExceeded", message: "Pod was active on the node longer than the specified deadline" };
      this.#tellOnce("Normal", "DeadlineExceeded", this.#failure.message);
    }
    this.#stopAll(this.#graceMs());
    if (this.#stopped()) this.#release();
    this.#publish();
  }
  /** Succeeded or Failed: what still runs (sidecars) is stopped, and the address goes back. */
  #rest(): void {
    this.#stopAll(this.#graceMs());
    if (this.#stopped()) this.#release();
  }
  #terminate(): void {
    const now = this.#services.clock.now();
    const graceMs = this.#gone ? ORPHAN_GRACE_MS : (this.#pod.metadata.deletionGracePeriodSeconds ?? 30) * 1000;
    // From when kubelet first saw this grace period; a shorter one hurries, sidecars get what the others left.
    this.#deadline = Math.min(this.#deadline, now + graceMs);
    this.#stopAll(Math.max(0, this.#deadline - now));
    if (!this.#stopped()) return this.#gone ? undefined : this.#publish();
    this.#release();
    if (this.#gone) this.#finished = true;
    else this.#publish();
  }
  #graceMs(): number {
    return (this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
  }
  #stopAll(graceMs: number): void {
    const sidecarsLast = this.#containers.some((container) => container.phase === "running" || container.phase === "starting");
    for (const container of [...this.#containers, ...this.#ephemeral]) container.stop(graceMs);
    if (!sidecarsLast) for (const container of this.#init.toReversed()) container.stop(graceMs);
  }
  #stopped(): boolean {
    return this.#all().every((container) => container.phase === "exited" || container.phase === "waiting");
  }
  #release(): void {
    if (this.#ended) return;
    this.#ended = true;
    const { ip, peer } = this.#world ?? {};
    if (ip === undefined || peer?.kind !== "pod") return;
    this.#services.killPeer(ip);
    this.#services.releaseIp(ip);
  }
  #all(): readonly ContainerWorker[] {
    return [...this.#init, ...this.#containers, ...this.#ephemeral];
  }

  #tellOnce(type: "Normal" | "Warning", reason: string, message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#services.recorder.event(this.#pod, type, reason, message);
  }
  #wakeIn(delayMs: number): void {
    const at = this.#services.clock.now() + delayMs;
    if (this.#timer && this.#timerAt <= at) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#services.clock.after(
      delayMs,
      () => {
        this.#timer = undefined;
        this.#poke();
      },
      { background: true },
    );
  }
  #timerAt = 0;
  #deadline = Number.POSITIVE_INFINITY;

  /** Writes the status when it has changed; a container that is just starting will poke again, so that an instant start is one write. */
  #publish(): void {
    if (this.#all().some((container) => container.phase === "starting")) return;
    this.#rewrite = true;
    if (!this.#writing) void this.#write();
  }
  async #write(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#rewrite) {
        this.#rewrite = false;
        const current = this.#services.store.get(Pods, this.#pod.metadata.namespace ?? "", this.#pod.metadata.name);
        if (!current || current.metadata.uid !== this.uid) return;
        const status = this.#status(current);
        if (!equalJson(status, current.status)) {
          const stored = await this.#services.store.update(Pods, { ...current, status }, { subresource: "status" });
          if (this.#pod.metadata.resourceVersion === current.metadata.resourceVersion) this.#pod = stored;
        }
        if (this.#ended && current.metadata.deletionTimestamp !== undefined) await this.#remove(current);
      }
    } catch (error) {
      if (isStatus(error, "NotFound")) return;
      if (!isStatus(error, "Conflict")) throw error;
      this.#rewrite = true;
    } finally {
      this.#writing = false;
    }
    if (this.#rewrite) void this.#write();
  }
  async #remove(current: Pod): Promise<void> {
    if (current.metadata.deletionGracePeriodSeconds === 0 && (current.metadata.finalizers ?? []).length > 0) return;
    await this.#services.store.delete(Pods, current.metadata.namespace ?? "", current.metadata.name, {
      gracePeriodSeconds: 0,
      preconditions: { uid: this.uid },
    });
  }
  #status(current: Pod): PodStatus {
    const statuses = (containers: readonly ContainerWorker[]): PodStatus["containerStatuses"] & object =>
      containers.map((container) => container.status());
    if (this.#containers.length === 0) return { ...current.status, phase: this.#ended ? "Failed" : (current.status?.phase ?? "Pending") };
    return podStatus({
      pod: current,
      now: timestamp(this.#services.clock),
      hostIPs: ipsOf(this.#services.nodePeer),
      podIPs: this.#world && ipsOf(this.#world.peer),
      startTime: this.#startTime,
      init: statuses(this.#init),
      sidecars: new Set(this.#init.filter((container) => container.role === "sidecar").map((container) => container.spec.name)),
      containers: statuses(this.#containers),
      ephemeral: statuses(this.#ephemeral),
      ended: this.#ended && this.#pod.status?.phase !== "Succeeded" && this.#pod.status?.phase !== "Failed",
      ...(this.#failure ? { failure: this.#failure } : {}),
    });
  }
}
