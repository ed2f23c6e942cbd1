// How a container is asked to end: preStop, then SIGTERM, and SIGKILL when the grace period is over.
// Upstream: pkg/kubelet/kuberuntime/kuberuntime_container.go killContainer.
import { sleep, type Clock, type Timer } from "../../model/clock.ts";

export interface GracefulStopOptions {
  readonly clock: Clock;
  /** Runs the preStop hook, if there is one. */
  readonly preStop: ((signal: AbortSignal) => Promise<void>) | undefined;
  readonly terminate: () => void;
  readonly kill: () => void;
}

/** Begins at once; the grace period includes the preStop hook. */
export class GracefulStop {
  readonly #options: GracefulStopOptions;
  #deadline = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(options: GracefulStopOptions, graceMs: number) {
    this.#options = options;
    this.hurry(graceMs);
    void this.#begin(graceMs);
  }
  /** Takes a new grace period when it ends sooner than the present one. */
  hurry(graceMs: number): void {
    const { clock, kill } = this.#options;
    const deadline = clock.now() + graceMs;
    if (deadline >= this.#deadline) return;
    this.#deadline = deadline;
    this.#timer?.cancel();
    this.#timer = clock.after(Math.max(0, graceMs), kill, { background: true });
  }
  /** The container has ended. */
  done(): void {
    this.#timer?.cancel();
  }
  async #begin(graceMs: number): Promise<void> {
    const { clock, preStop, terminate } = this.#options;
    if (preStop && graceMs > 0) {
      const cut = new AbortController();
      const expired = sleep(clock, graceMs, cut.signal).catch(() => undefined);
      await Promise.race([preStop(cut.signal), expired]);
      cut.abort(new Error("grace period is over"));
    }
    terminate();
  }
}
