#!/usr/bin/env node
// The `loopkube` command. In a checkout it makes Node and the dependencies ready and runs the sources; in the published package it
// runs what was built.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const args = process.argv.slice(2);
const checkout = new URL("../scripts/run.mjs", import.meta.url);
const major = Number(process.versions.node.split(".")[0]);

if (existsSync(fileURLToPath(checkout))) {
  const { runLoopkube } = await import(checkout.href);
  const { fail } = await import(new URL("../scripts/bootstrap.mjs", import.meta.url).href);
  await runLoopkube(args).then((code) => (process.exitCode = code), fail);
} else if (major < 24) {
  process.stderr.write(`loopkube: this is Node ${process.version}, and Node 24 or newer is needed\n`);
  process.exitCode = 1;
} else {
  const { default: module } = await import("node:module");
  module.enableCompileCache?.();
  await import("./lean-http.mjs");
  const { main } = await import(new URL("../dist/cli/main.js", import.meta.url).href);
  process.exitCode = await main(args);
}
