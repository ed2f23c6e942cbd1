// `npm run check`: type check, lint, format and presubmit. All run, each failure is shown, and any of them fails the check.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./bootstrap.mjs";

const bin = (name) => join(root, "node_modules", ".bin", name);
const STEPS = [
  ["types", bin("tsc"), ["-p", "."]],
  ["lint", bin("oxlint"), ["--quiet", "."]],
  ["format", bin("oxfmt"), ["--check", "."]],
  ["presubmit", process.execPath, ["test/presubmit.test.ts"]],
];

let failed = 0;
for (const [name, command, args] of STEPS) {
  const start = performance.now();
  const result = spawnSync(command, args, { cwd: root, encoding: "utf8", shell: process.platform === "win32", maxBuffer: 1 << 26 });
  const ok = result.status === 0;
  if (!ok) failed++;
  process.stdout.write(`${ok ? "ok    " : "FAILED"} ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)\n`);
  if (!ok) process.stdout.write(`${result.stdout ?? ""}${result.stderr ?? ""}${result.error ? `${result.error.message}\n` : ""}`);
}
process.exitCode = failed === 0 ? 0 : 1;
