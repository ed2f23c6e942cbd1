// Counts of open flows by target: what load-aware balancers compare.

/** Open flows per target id; forgets targets without any. */
export class InFlight {
  readonly #counts = new Map<string, number>();
  /** Sum over all targets. */
  total = 0;

  of(id: string): number {
    return this.#counts.get(id) ?? 0;
  }
  opened(id: string): void {
    this.#counts.set(id, this.of(id) + 1);
    this.total++;
  }
  /** A close without an open is ignored. */
  closed(id: string): void {
    const count = this.of(id);
    if (count === 0) return;
    this.total--;
    if (count === 1) this.#counts.delete(id);
    else this.#counts.set(id, count - 1);
  }
}
