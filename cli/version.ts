// The package's version, read from its package.json in the checkout and in the published package alike.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

export function version(): string {
  for (let directory = import.meta.dirname; ; directory = dirname(directory)) {
    try {
      const found = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as { name?: string; version?: string };
      if (found.name === "loopkube") return found.version ?? "0.0.0";
    } catch {
      if (directory === dirname(directory)) return "0.0.0";
    }
  }
}
