// Where the demo's manifests are, in the checkout and in the published package.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

export const DEMO_DIRECTORY = findExamples("demo");

function findExamples(name: string): string {
  for (let directory = import.meta.dirname; ; directory = dirname(directory)) {
    const found = join(directory, "examples", name);
    if (existsSync(found) || directory === dirname(directory)) return found;
  }
}
