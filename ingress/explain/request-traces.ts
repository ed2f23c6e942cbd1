// The last requests that were traced: their steps by the value of the answer's X-Loopkube-Trace. On by the ConfigMap's `loopkube-trace`.
import type { NoteStep, Notes } from "./notes.ts";

/** Requests remembered. */
const SIZE = 256;

export class RequestTraces {
  readonly #notes = new Map<string, Notes>();

  add(id: string, notes: Notes): void {
    this.#notes.set(id, notes);
    if (this.#notes.size <= SIZE) return;
    for (const oldest of this.#notes.keys()) return void this.#notes.delete(oldest);
  }
  /** Undefined when it is not known, or no longer. */
  find(id: string): readonly NoteStep[] | undefined {
    return this.#notes.get(id)?.steps;
  }
}
