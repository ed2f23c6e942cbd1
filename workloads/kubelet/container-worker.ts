// One container's life: image, start, probes, end, and what its status says about it. Its pod's worker decides when to start it again.
// Upstream: pkg/kubelet/kuberuntime/kuberuntime_container.go, pkg/kubelet/images/image_manager.go.
import { createHash } from "node:crypto";
import { nextTurn, timestamp } from "../../model/clock.ts";
import type { Container, ContainerState, ContainerStateTerminated, ContainerStatus } from "../../model/kinds/core-v1.ts";
import type { ExecStreams, Image } from "../../model/ports.ts";
import { StartError, type ContainerExit, type RunningContainer } from "../runtimes/runtime.ts";
import { Attempt } from "./attempt.ts";
import { BackOff, goSeconds } from "./back-off.ts";
import { addressesOf } from "./downward-api.ts";
import { ConfigError, containerEnvironment } from "./environment.ts";
import { captureExec } from "./exec-capture.ts";
import { GracefulStop } from "./graceful-stop.ts";
import { fullImageName } from "./image-catalog.ts";
import { argvOf, pullImage, WaitingError } from "./image-pull.ts";
import { runHook } from "./lifecycle-hook.ts";
import { startContainer } from "./node-services.ts";
import { LogRing } from "./log-ring.ts";
import { Prober } from "./prober.ts";
import { runProbe } from "./probe.ts";
import type { ProbeTarget } from "./probe-target.ts";
import { ContainerSandbox, type PodWorld } from "./sandbox.ts";

export type ContainerRole = "init" | "sidecar" | "app" | "ephemeral";
/** The waiting reason of a container whose ConfigMap, Secret or key is missing, and how often it is looked for without a change. */
const CONFIG_ERROR = "CreateContainerConfigError";
const CONFIG_RETRY_MS = 10_000;
const CLIENT_WAIT_MS = 1000;

type Phase = "waiting" | "starting" | "running" | "exited";

interface Instance {
  readonly running: RunningContainer;
  readonly sandbox: ContainerSandbox;
  readonly prober: Prober;
  readonly abort: AbortController;
  readonly startedAt: string;
  readonly id: string;
  readonly image: Image;
}

export class ContainerWorker {
  readonly spec: Container;
  readonly role: ContainerRole;
  phase: Phase = "waiting";
  state: ContainerState = { waiting: { reason: "ContainerCreating" } };
  lastState: ContainerState | undefined;
  restartCount = 0;
  log: LogRing;
  previousLog: LogRing | undefined;
  /** When the last instance, or the last try, ended. */
  endedAt = 0;
  readonly #world: PodWorld;
  readonly #onChange: () => void;
  readonly #restarts = new BackOff();
  readonly #pulls = new BackOff();
  #instance: Instance | undefined;
  #failedTry: WaitingError | undefined;
  #imageName: string;
  #containerID: string | undefined;
  #stopping: GracefulStop | undefined;
  #busy = 0;
  readonly #hook = new Attempt();
  #everAttached = false;
  #starting: Promise<void> = Promise.resolve();
  #doomed = false;
  #endHold: () => void = () => {};

  constructor(spec: Container, role: ContainerRole, world: PodWorld, onChange: () => void) {
    this.spec = spec;
    this.role = role;
    this.#world = world;
    this.#onChange = onChange;
    this.#imageName = spec.image ?? "";
    this.log = new LogRing(world.services.clock);
  }
  get exitCode(): number | undefined {
    return this.phase === "exited" ? (this.state.terminated ?? this.lastState?.terminated)?.exitCode : undefined;
  }
  get running(): boolean {
    return this.phase === "running";
  }
  get started(): boolean {
    return this.running && (this.#instance?.prober.started ?? false);
  }
  get ready(): boolean {
    if (this.role === "init") return this.exitCode === 0;
    return this.running && (this.#instance?.prober.ready ?? false);
  }
  /** True while something is under way that will end by itself without time passing. */
  get busy(): boolean {
    return this.#busy > 0 || this.#hook.due || (this.#instance?.prober.busy ?? false);
  }
  get sandbox(): ContainerSandbox | undefined {
    return this.#instance?.sandbox;
  }
  get firstAttach(): boolean {
    const first = !this.#everAttached;
    this.#everAttached = true;
    this.#endHold();
    return first;
  }
  /** Milliseconds until it may be started (again). */
  startableInMs(): number {
    const now = this.#world.services.clock.now();
    if (this.#failedTry?.reason === CONFIG_ERROR) return Math.max(0, this.endedAt + CONFIG_RETRY_MS - now);
    if (this.#failedTry) return this.#pulls.waitMs(this.endedAt, now);
    return this.phase === "exited" ? this.#restarts.waitMs(this.endedAt, now) : 0;
  }
  /** What it was waiting for may be there now. */
  retryConfig(): void {
    if (this.#failedTry?.reason === CONFIG_ERROR) this.endedAt = 0;
  }
  /** The container waits for a restart: tell so. */
  awaitRestart(): void {
    const { recorder } = this.#world.services;
    const pod = this.#world.pod();
    if (this.#failedTry) {
      const pulling = this.#failedTry.reason === "ErrImagePull" || this.#failedTry.reason === "ImagePullBackOff";
      if (!pulling || this.state.waiting?.reason === "ImagePullBackOff") return;
      const message = `Back-off pulling image "${this.#imageName}"`;
      this.#event("Normal", "BackOff", message);
      this.#event("Warning", "Failed", "Error: ImagePullBackOff");
      this.state = {
        waiting: { reason: "ImagePullBackOff", message: `${message}: ${this.#failedTry.reason}: ${this.#failedTry.message}` },
      };
      return;
    }
    if (this.state.terminated) this.lastState = this.state;
    if (this.state.waiting?.reason === "CrashLoopBackOff") return;
    const name = `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
    const message = `back-off ${goSeconds(this.#restarts.delayMs)} restarting failed container=${this.spec.name} pod=${name}`;
    recorder.event(pod, "Warning", "BackOff", `Back-off restarting failed container ${this.spec.name} in pod ${name}`, this.#fieldPath());
    this.state = { waiting: { reason: "CrashLoopBackOff", message } };
  }
  setWaiting(reason: string): void {
    if (this.phase === "waiting" && !this.#failedTry && this.state.waiting?.reason !== reason) this.state = { waiting: { reason } };
  }

  /** Starts it in the background, for the first time or again. */
  start(): void {
    if (this.phase === "starting" || this.phase === "running") return;
    const again = this.phase === "exited";
    if (again) {
      if (this.state.terminated) this.lastState = this.state;
      this.restartCount++;
      this.#restarts.advance(this.#world.services.clock.now());
      this.previousLog = this.log;
      this.log = new LogRing(this.#world.services.clock);
      this.#everAttached = false;
    }
    this.phase = "starting";
    this.#starting = this.#work(() => this.#start());
  }
  async #start(): Promise<void> {
    const { services } = this.#world;
    try {
      const image = pullImage(this.spec, services, (type, reason, message) => this.#event(type, reason, message));
      const env = containerEnvironment(this.spec, {
        reader: services.reader,
        pod: this.#world.pod(),
        ...addressesOf(this.#world.peer, services.nodePeer),
        allocatable: services.allocatable,
      });
      this.#failedTry = undefined;
      await this.#run(image, env);
    } catch (error) {
      if (!(error instanceof WaitingError) && !(error instanceof ConfigError)) throw error;
      const waiting = error instanceof WaitingError ? error : new WaitingError(CONFIG_ERROR, error.message);
      if (this.#failedTry?.reason !== waiting.reason || this.#failedTry.message !== waiting.message || waiting.reason === "ErrImagePull") {
        this.#event("Warning", "Failed", waiting.reason === CONFIG_ERROR ? `Error: ${waiting.message}` : `Error: ${waiting.reason}`);
      }
      this.#failedTry = waiting;
      this.phase = "waiting";
      this.endedAt = services.clock.now();
      if (waiting.reason !== CONFIG_ERROR) this.#pulls.advance(this.endedAt);
      this.state = { waiting: { reason: waiting.reason, message: waiting.message } };
    }
  }
  async #run(image: Image, env: Readonly<Record<string, string>>): Promise<void> {
    const { services } = this.#world;
    const abort = new AbortController();
    const log = this.log;
    const sandbox = new ContainerSandbox({
      world: this.#world,
      container: this.spec,
      argv: argvOf(image, this.spec, env),
      env,
      log,
      signal: abort.signal,
      kill: (signal) => (signal === "SIGKILL" ? this.#instance?.running.kill() : abort.abort()),
    });
    const pod = this.#world.pod();
    const id = `loopkube://${createHash("sha256").update(`${pod.metadata.uid}/${this.spec.name}/${this.restartCount}`).digest("hex")}`;
    this.#containerID = id;
    this.#event("Normal", "Created", `Created container: ${this.spec.name}`);
    const running = await startContainer(services.runtimes, image, sandbox);
    const prober = new Prober({
      clock: services.clock,
      container: this.spec,
      run: (probe) => runProbe(probe, this.#target()),
      onFailure: (kind, output) => this.#event("Warning", "Unhealthy", `${kind} probe failed: ${output}`),
      onChange: () => this.#probed(),
    });
    const startedAt = timestamp(services.clock);
    const instance = { running, sandbox, prober, abort, startedAt, id, image };
    this.#instance = instance;
    // A program that cannot be started says so within a turn, and then never counts as running.
    if (this.#doomed) running.kill();
    const early = await Promise.race([running.exited, nextTurn().then(() => undefined)]);
    void running.exited.then(async (exit) => {
      if (exit.startError === undefined) await this.#holdForClient();
      await this.#work(() => this.#ended(instance, exit, log));
    });
    if (early?.startError !== undefined) return;
    this.phase = "running";
    this.state = { running: { startedAt } };
    this.#event("Normal", "Started", `Started container ${this.spec.name}`);
    void this.#probeAfterHook(instance);
  }
  /** The hook may take as long as it likes; probes begin when it has ended well. */
  async #probeAfterHook(instance: Instance): Promise<void> {
    const hook = this.spec.lifecycle?.postStart;
    const failure = hook && (await this.#hook.run(() => runHook(hook, this.#target(), instance.abort.signal)));
    if (this.#instance !== instance || this.#stopping) return;
    if (failure === undefined) return instance.prober.start();
    this.#event("Warning", "FailedPostStartHook", `PostStartHook failed: ${failure}`);
    this.stop(0, "FailedPostStartHook");
  }
  #probed(): void {
    const failed = this.#instance?.prober.failed;
    if (failed && !this.#stopping) {
      const probe = failed === "Startup" ? this.spec.startupProbe : this.spec.livenessProbe;
      const grace = probe?.terminationGracePeriodSeconds ?? this.#world.pod().spec.terminationGracePeriodSeconds ?? 30;
      this.stop(grace * 1000, `Container ${this.spec.name} failed ${failed.toLowerCase()} probe, will be restarted`);
    }
    this.#onChange();
  }
  async #ended(instance: Instance, exit: ContainerExit, log: LogRing): Promise<void> {
    const { clock } = this.#world.services;
    instance.prober.stop();
    instance.abort.abort();
    this.#stopping?.done();
    this.#stopping = undefined;
    await instance.sandbox.close();
    log.end();
    this.#instance = undefined;
    this.phase = "exited";
    this.endedAt = clock.now();
    if (exit.startError !== undefined) this.#event("Warning", "Failed", `Error: ${runcError(exit.startError)}`);
    this.state = { terminated: this.#terminated(instance, exit, log) };
  }
  /**
   * A program that ends at once would be over before the client that has started it for itself (`kubectl run -i`) can attach: its end
   * is told when the client has come, or after a second.
   */
  async #holdForClient(): Promise<void> {
    if (!this.spec.stdin || !this.spec.stdinOnce || this.#everAttached || this.#stopping || this.#doomed) return;
    await new Promise<void>((resolve) => {
      const timer = this.#world.services.clock.after(CLIENT_WAIT_MS, resolve, { background: true });
      this.#endHold = () => {
        timer.cancel();
        resolve();
      };
    });
  }
  #terminated(instance: Instance, exit: ContainerExit, log: LogRing): ContainerStateTerminated {
    const message = exit.startError === undefined ? this.#terminationMessage(instance, exit, log) : runcError(exit.startError);
    return {
      exitCode: exit.exitCode,
      ...(exit.signal === undefined || exit.exitCode < 128 ? {} : { signal: exit.signal }),
      reason: exit.startError !== undefined ? "StartError" : exit.exitCode === 0 ? "Completed" : "Error",
      ...(message === undefined || message === "" ? {} : { message }),
      startedAt: instance.startedAt,
      finishedAt: timestamp(this.#world.services.clock),
      containerID: instance.id,
    };
  }
  #terminationMessage(instance: Instance, exit: ContainerExit, log: LogRing): string | undefined {
    const written = instance.sandbox.files.read(this.spec.terminationMessagePath ?? "/dev/termination-log");
    if (written) return written.slice(0, 4096);
    return this.spec.terminationMessagePolicy === "FallbackToLogsOnError" && exit.exitCode !== 0 ? log.text().slice(-2048) : undefined;
  }

  /** Ends it gracefully: preStop, SIGTERM, and after the grace period SIGKILL. Called again with less grace, it hurries. */
  stop(graceMs: number, message = `Stopping container ${this.spec.name}`): void {
    const instance = this.#instance;
    if (!instance) {
      if (this.phase === "waiting") this.phase = "exited";
      return;
    }
    this.#endHold();
    if (this.#stopping) return this.#stopping.hurry(graceMs);
    this.#event("Normal", "Killing", message);
    instance.prober.stopLiveness();
    const hook = this.spec.lifecycle?.preStop;
    const preStop = async (signal: AbortSignal): Promise<void> => {
      const failure = hook && (await runHook(hook, this.#target(), signal));
      if (failure !== undefined) this.#event("Warning", "FailedPreStopHook", `PreStopHook failed: ${failure}`);
    };
    this.#stopping = new GracefulStop(
      {
        clock: this.#world.services.clock,
        preStop: hook && preStop,
        terminate: () => instance.abort.abort(),
        kill: () => instance.running.kill(),
      },
      graceMs,
    );
  }
  /** Ends it at once and for good; resolves when nothing of it is left. */
  async destroy(): Promise<void> {
    this.#doomed = true;
    this.#endHold();
    await this.#starting;
    const instance = this.#instance;
    if (!instance) return;
    instance.abort.abort();
    instance.running.kill();
    await instance.running.exited;
    await instance.sandbox.close();
  }

  /** Runs a command in it. Throws StartError with the container runtime's message when there is no such command. */
  async exec(command: readonly string[], streams: ExecStreams): Promise<number> {
    const instance = this.#instance;
    if (!instance) throw new StartError("container not running");
    if (instance.running.exec) return instance.running.exec(command, streams);
    try {
      return await this.#world.services.execTool(command, instance.sandbox, streams, instance.image);
    } catch (error) {
      if (error instanceof Error && error.name === "ExecutableNotFound") throw new StartError(error.message);
      throw error;
    }
  }
  /** Resolves with the exit code of the present instance. */
  async exited(): Promise<number> {
    return (await this.#instance?.running.exited)?.exitCode ?? this.exitCode ?? 0;
  }

  status(): ContainerStatus {
    const name = this.#imageName;
    const full = name === "" ? "" : fullImageName(name);
    const pulled = this.#containerID !== undefined;
    return {
      name: this.spec.name,
      state: this.state,
      lastState: this.lastState ?? {},
      ready: this.ready,
      restartCount: this.restartCount,
      image: pulled ? full : name,
      imageID: pulled ? `loopkube://${full}` : "",
      ...(this.#containerID === undefined ? {} : { containerID: this.#containerID }),
      started: this.role === "init" ? this.running : this.started,
    };
  }

  #target(): ProbeTarget {
    const { services, ip } = this.#world;
    return {
      network: services.network,
      clock: services.clock,
      from: services.nodePeer,
      podIP: ip,
      container: this.spec,
      exec: (command, signal) => captureExec((streams) => this.exec(command, streams), signal),
    };
  }
  #fieldPath(): string {
    const field =
      this.role === "init" || this.role === "sidecar" ? "initContainers" : this.role === "ephemeral" ? "ephemeralContainers" : "containers";
    return `spec.${field}{${this.spec.name}}`;
  }
  #event(type: "Normal" | "Warning", reason: string, message: string): void {
    this.#world.services.recorder.event(this.#world.pod(), type, reason, message, this.#fieldPath());
  }
  async #work<T>(task: () => Promise<T>): Promise<T> {
    this.#busy++;
    try {
      return await task();
    } finally {
      this.#busy--;
      this.#onChange();
    }
  }
}

function runcError(startError: string): string {
  return `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ${startError}`;
}
