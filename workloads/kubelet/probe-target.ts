// What a probe tries, and what comes of it.
import type { Clock } from "../../model/clock.ts";
import type { Container } from "../../model/kinds/core-v1.ts";
import type { Network, Peer } from "../../model/ports.ts";

export interface ProbeTarget {
  readonly network: Network;
  readonly clock: Clock;
  /** The node, from which kubelet dials. */
  readonly from: Peer;
  readonly podIP: string;
  readonly container: Container;
  /** Runs a command in the container; resolves with its exit code and all that it wrote. */
  exec(command: readonly string[], signal: AbortSignal): Promise<{ readonly exitCode: number; readonly output: string }>;
}

export interface ProbeResult {
  readonly success: boolean;
  /** What went wrong, as kubelet's Unhealthy event tells it. */
  readonly output: string;
}
