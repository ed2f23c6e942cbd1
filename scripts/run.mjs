// Runs a command of this checkout under the right Node: `node scripts/run.mjs loopkube|node|<program of node_modules/.bin> ARG…`.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { enableCompileCache, fail, prepare, root, run } from "./bootstrap.mjs";

/** The loopkube command: in this process when its Node is the right one. */
export async function runLoopkube(args) {
  const node = await prepare();
  const main = join(root, "cli", "main.ts");
  if (node !== process.execPath) return await run(node, node, [main, ...args]);
  await enableCompileCache();
  await import("../bin/lean-http.mjs");
  const cli = await import(pathToImport(main));
  return await cli.main(args);
}

async function runProgram(name, args) {
  const node = await prepare();
  if (name === "node") return await run(node, node, args);
  const installed = join(root, "node_modules", ".bin", process.platform === "win32" ? `${name}.cmd` : name);
  return await run(node, existsSync(installed) ? installed : name, args);
}

function pathToImport(path) {
  return process.platform === "win32" ? new URL(`file:///${path.replace(/\\/g, "/")}`).href : path;
}

const [, script, name, ...args] = process.argv;
if (script?.endsWith("run.mjs")) {
  if (name === undefined) {
    process.stderr.write("usage: node scripts/run.mjs loopkube|node|PROGRAM ARG…\n");
    process.exitCode = 2;
  } else {
    const running = name === "loopkube" ? runLoopkube(args) : runProgram(name, args);
    running.then((code) => (process.exitCode = code), fail);
  }
}
