// The probes of one running container: when each is due, and what their results add up to.
// Upstream: pkg/kubelet/prober/{worker,prober_manager}.go.
import type { Clock, Timer } from "../../model/clock.ts";
import type { Container, Probe } from "../../model/kinds/core-v1.ts";
import { Attempt } from "./attempt.ts";
import type { ProbeResult } from "./probe-target.ts";

export type ProbeKind = "Startup" | "Liveness" | "Readiness";

export interface ProberOptions {
  readonly clock: Clock;
  readonly container: Container;
  readonly run: (probe: Probe) => Promise<ProbeResult>;
  /** A try failed: to be told as an event. */
  readonly onFailure: (kind: ProbeKind, output: string) => void;
  /** `started`, `ready` or `alive` may have changed. */
  readonly onChange: () => void;
}

/** Follows a container from start to `stop`. */
export class Prober {
  /** The startup probe has succeeded, or there is none. */
  started: boolean;
  /** The readiness probe says so, or there is none; only once started. */
  ready: boolean;
  /** False when the liveness or startup probe has failed often enough. */
  failed: ProbeKind | undefined;
  readonly #options: ProberOptions;
  readonly #tasks: ProbeTask[] = [];

  constructor(options: ProberOptions) {
    this.#options = options;
    const { startupProbe, readinessProbe } = options.container;
    this.started = !startupProbe;
    this.ready = this.started && !readinessProbe;
  }
  start(): void {
    const { startupProbe } = this.#options.container;
    if (this.started || !startupProbe) return this.#startOthers();
    this.#add("Startup", startupProbe, false, (success) => {
      if (success === undefined) return;
      if (!success) return this.#fail("Startup");
      this.started = true;
      this.#tasks.pop()?.stop();
      this.ready = !this.#options.container.readinessProbe;
      this.#startOthers();
      this.#options.onChange();
    });
  }
  stop(): void {
    for (const task of this.#tasks) task.stop();
  }
  /** A terminating container is probed for readiness only. */
  stopLiveness(): void {
    for (const task of this.#tasks) if (task.kind !== "Readiness") task.stop();
  }
  /** True while a try is under way that may end without time passing. */
  get busy(): boolean {
    return this.#tasks.some((task) => task.due);
  }
  #startOthers(): void {
    const { livenessProbe, readinessProbe } = this.#options.container;
    if (livenessProbe) this.#add("Liveness", livenessProbe, true, (success) => success === false && this.#fail("Liveness"));
    if (readinessProbe) {
      this.#add("Readiness", readinessProbe, false, (success) => {
        if (success === undefined || success === this.ready) return;
        this.ready = success;
        this.#options.onChange();
      });
    }
  }
  #fail(kind: ProbeKind): void {
    if (this.failed) return;
    this.failed = kind;
    this.stop();
    this.#options.onChange();
  }
  #add(kind: ProbeKind, probe: Probe, initially: boolean, onVerdict: (success: boolean | undefined) => void): void {
    const task = new ProbeTask(kind, probe, initially, this.#options, onVerdict);
    this.#tasks.push(task);
    task.start();
  }
}

class ProbeTask {
  readonly kind: ProbeKind;
  readonly #attempt = new Attempt();
  readonly #probe: Probe;
  readonly #options: ProberOptions;
  readonly #onVerdict: (success: boolean | undefined) => void;
  #timer: Timer | undefined;
  #stopped = false;
  #last: boolean;
  #streak = 0;

  constructor(
    kind: ProbeKind,
    probe: Probe,
    initially: boolean,
    options: ProberOptions,
    onVerdict: (success: boolean | undefined) => void,
  ) {
    this.kind = kind;
    this.#probe = probe;
    this.#last = initially;
    this.#options = options;
    this.#onVerdict = onVerdict;
  }
  get due(): boolean {
    return this.#attempt.due && !this.#stopped;
  }
  start(): void {
    const delayMs = (this.#probe.initialDelaySeconds ?? 0) * 1000;
    if (delayMs > 0) this.#later(delayMs);
    else void this.#try();
  }
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
  #later(delayMs: number): void {
    this.#timer = this.#options.clock.after(delayMs, () => void this.#try(), { background: true });
  }
  async #try(): Promise<void> {
    const begun = this.#options.clock.now();
    const { success, output } = await this.#attempt.run(() => this.#options.run(this.#probe));
    if (this.#stopped) return;
    if (!success) this.#options.onFailure(this.kind, output);
    this.#streak = success === this.#last ? this.#streak + 1 : 1;
    this.#last = success;
    const threshold = success ? (this.#probe.successThreshold ?? 1) : (this.#probe.failureThreshold ?? 3);
    this.#onVerdict(this.#streak >= threshold ? success : undefined);
    if (this.#stopped) return;
    // Tries are due at fixed intervals, however long each takes; those missed are skipped.
    const periodMs = (this.#probe.periodSeconds ?? 10) * 1000;
    this.#later(periodMs - ((this.#options.clock.now() - begun) % periodMs));
  }
}
