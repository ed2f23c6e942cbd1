// The reasons of one request, gathered in the order of its steps: what `explain request` prints and a traced request keeps.

export interface NoteStep {
  readonly title: string;
  readonly lines: readonly string[];
}

/** The steps of a request, in the order in which it takes them. */
export type StepTitle =
  | "class"
  | "listener"
  | "server"
  | "matching"
  | "location"
  | "rewrite phase"
  | "https redirect"
  | "upstream"
  | "access phases"
  | "balancer"
  | "tries"
  | "answer";

export class Notes {
  readonly #steps: { readonly title: string; readonly lines: string[] }[] = [];

  /** What follows belongs to this step. */
  begin(title: StepTitle): void {
    this.#steps.push({ title, lines: [] });
  }
  push(line: string): void {
    if (this.#steps.length === 0) this.begin("server");
    this.#steps.at(-1)?.lines.push(line);
  }
  /** Lines so far. */
  get count(): number {
    return this.#steps.reduce((sum, { lines }) => sum + lines.length, 0);
  }
  /** Steps about which something was said. */
  get steps(): readonly NoteStep[] {
    return this.#steps.filter(({ lines }) => lines.length > 0);
  }
}
