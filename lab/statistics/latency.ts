// Durations in a high dynamic range histogram: fixed memory, percentiles within 0.1 % of the true value.
import { createHistogram } from "node:perf_hooks";

export interface LatencySummary {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  readonly mean: number;
}

/** Milliseconds in, milliseconds out; kept in whole microseconds. */
export class LatencyHistogram {
  readonly #histogram = createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 });

  record(milliseconds: number): void {
    this.#histogram.record(Math.min(3_600_000_000, Math.max(1, Math.round(milliseconds * 1000))));
  }
  get count(): number {
    return this.#histogram.count;
  }
  /** The least value that `percent` of the values do not exceed. 0 when nothing was recorded. */
  percentile(percent: number): number {
    return this.count === 0 ? 0 : this.#histogram.percentile(percent) / 1000;
  }
  /** Undefined when nothing was recorded. */
  summary(): LatencySummary | undefined {
    if (this.count === 0) return undefined;
    const { max, mean } = this.#histogram;
    return { p50: this.percentile(50), p95: this.percentile(95), p99: this.percentile(99), max: max / 1000, mean: mean / 1000 };
  }
}
