// `npm run bench [startup|l4|dns …]`: prints Markdown tables; docs/performance.md keeps the last ones.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { benchDns } from "./dns.ts";
import { benchFlowCost } from "./flow-cost.ts";
import { benchIngress } from "./ingress.ts";
import { benchL4 } from "./l4.ts";
import { benchProxyScale } from "./proxy-scale.ts";
import { benchMemory, benchStartup } from "./startup.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const SECONDS = Number(process.env["SECONDS_EACH"] ?? 3);

const BENCHES: Readonly<Record<string, () => Promise<string>>> = {
  startup: async () => {
    const command = [process.execPath, join(import.meta.dirname, "../bin/loopkube.mjs")];
    const checkout = await benchStartup(ROUNDS, command, "checkout, warm");
    return ["### Start and memory", "", "| what | median | range |", "| --- | --- | --- |", checkout, await benchMemory(command), ""].join(
      "\n",
    );
  },
  l4: () => benchL4(ROUNDS, Number(process.env["SECONDS_EACH"] ?? 2)),
  ingress: () => benchIngress(ROUNDS, SECONDS),
  dns: () => benchDns(ROUNDS, SECONDS),
  "proxy-scale": benchProxyScale,
  "flow-cost": benchFlowCost,
};

/** The rivals and load generators, which are no part of this project. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  l4: ["haproxy", "wrk"],
  ingress: ["nginx", "wrk"],
  dns: ["dnsmasq", "unbound", "dnsperf"],
};

function missingPrograms(bench: string): readonly string[] {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return (PROGRAMS[bench] ?? []).filter((program) => !folders.some((folder) => existsSync(join(folder, program))));
}

const asked = process.argv.slice(2);
for (const [name, bench] of Object.entries(BENCHES)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const missing = missingPrograms(name);
  if (missing.length > 0) {
    process.stderr.write(`${name}: left out, it needs ${missing.join(", ")}\n`);
    process.exitCode = 1;
    continue;
  }
  process.stderr.write(`${name} `);
  process.stdout.write(`${await bench()}\n`);
}
