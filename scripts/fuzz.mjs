// A long run of the fuzz targets with a seed of its own: npm run fuzz [RUNS] [SEED]. The suite runs them shortly, with a fixed seed.
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";

const TARGETS = ["test/dns/wire.test.ts", "test/dns/plain-question.test.ts"];
const [runs = "1000000", seed = String(randomInt(2 ** 31))] = process.argv.slice(2);

console.log(`${runs} runs with seed ${seed}`);
for (const target of TARGETS) {
  const env = { ...process.env, FUZZ_RUNS: runs, FUZZ_SEED: seed };
  const { status } = spawnSync(process.execPath, [target], { stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}
