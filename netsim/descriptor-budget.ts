// How many sockets flows may hold: the process's descriptor limit less a reserve. Node gives no sign of EMFILE when accepting:
// without a budget, new connections of the whole process would silently be closed.
import { readFileSync } from "node:fs";

const RESERVE = 256;
/** Where the limit cannot be read: macOS's usual hard limit for a launched process. */
const SAFE_LIMIT = 10240;

/** The soft limit of open files of this process. */
export function descriptorLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return soft === undefined ? SAFE_LIMIT : Number(soft);
  } catch {
    return SAFE_LIMIT;
  }
}

export interface DescriptorPressure {
  readonly open: number;
  readonly budget: number;
}

export class DescriptorBudget {
  readonly #budget: number;
  readonly #onPressure: (pressure: DescriptorPressure) => void;
  #open = 0;
  #refused = 0;
  #underPressure = false;

  /** `onPressure` is told once per episode; an episode ends when a tenth of the budget is free again. */
  constructor(budget = Math.max(64, descriptorLimit() - RESERVE), onPressure: (pressure: DescriptorPressure) => void = () => {}) {
    this.#budget = budget;
    this.#onPressure = onPressure;
  }
  /** Takes `count` descriptors; false (and counted) when the budget has no room. */
  take(count: number): boolean {
    if (this.#open + count <= this.#budget) {
      this.#open += count;
      return true;
    }
    this.#refused++;
    if (!this.#underPressure) {
      this.#underPressure = true;
      this.#onPressure({ open: this.#open, budget: this.#budget });
    }
    return false;
  }
  give(count: number): void {
    this.#open -= count;
    if (this.#underPressure && this.#open <= this.#budget * 0.9) this.#underPressure = false;
  }
  stats(): { readonly open: number; readonly budget: number; readonly refused: number } {
    return { open: this.#open, budget: this.#budget, refused: this.#refused };
  }
}
