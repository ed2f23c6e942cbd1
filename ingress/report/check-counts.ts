// What admission has decided so far, for the metrics of the controller that it speaks for.
// Upstream: internal/ingress/metric/collectors/{admission,controller}.go.

/** Figures of the last admission. */
export interface CheckFigures {
  readonly ingresses: number;
  readonly readSeconds: number;
  readonly testSeconds: number;
  readonly totalSeconds: number;
}

/** Ingresses remembered; beyond it the oldest are forgotten. */
const MOST = 10_000;

export class CheckCounts {
  readonly #byIngress = new Map<string, { passed: number; refused: number }>();
  #last: CheckFigures = { ingresses: 0, readSeconds: 0, testSeconds: 0, totalSeconds: 0 };

  get byIngress(): ReadonlyMap<string, { readonly passed: number; readonly refused: number }> {
    return this.#byIngress;
  }
  get last(): CheckFigures {
    return this.#last;
  }
  refused(owner: string): void {
    this.#of(owner).refused++;
  }
  passed(owner: string, figures: CheckFigures): void {
    this.#of(owner).passed++;
    this.#last = figures;
  }
  #of(owner: string): { passed: number; refused: number } {
    const known = this.#byIngress.get(owner);
    if (known) return known;
    if (this.#byIngress.size >= MOST) for (const [oldest] of this.#byIngress) if (this.#byIngress.delete(oldest)) break;
    const made = { passed: 0, refused: 0 };
    this.#byIngress.set(owner, made);
    return made;
  }
}
