// How explanations are printed: each step's title, and its lines below it.
import type { ExplainAnswer } from "../model/ports.ts";
import { print, style } from "./terminal.ts";

/** Prints the steps in order. */
export function printSteps(steps: readonly ExplainAnswer[]): void {
  for (const step of steps) print([style("bold", step.title), ...step.lines.map((line) => `  ${line}`)].join("\n"));
}
