// What was started, so that it can be stopped in reverse, once, also when starting failed half-way.
import { log } from "../model/log.ts";
import type { Component } from "../model/ports.ts";

export class Lifecycle {
  readonly #stops: (() => Promise<void>)[] = [];
  #stopped: Promise<void> | undefined;

  async start(component: Component): Promise<void> {
    this.#stops.push(() => component.stop());
    await component.start();
  }
  onStop(stop: () => Promise<void>): void {
    this.#stops.push(stop);
  }
  /** Idempotent. A part that fails to stop is logged and does not keep the others alive. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#run());
  }
  async #run(): Promise<void> {
    for (const stop of this.#stops.toReversed()) {
      await stop().catch((error: unknown) => log("error", "a part did not stop", { error }));
    }
  }
}
