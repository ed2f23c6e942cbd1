// The bootstrap, in a small tree of its own, with a stand-in for npm that notes how it was called.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";

const root = join(import.meta.dirname, "../..");

/** `ci` makes node_modules; `install --prefix` makes a toolchain whose node is this one. */
const NPM = `
const fs = require("node:fs"), path = require("node:path");
const args = process.argv.slice(2);
fs.appendFileSync(process.env.NPM_CALLS, args.filter((arg) => !arg.startsWith("--")).join(" ") + "\\n");
if (process.env.NPM_FAILS) { console.error(process.env.NPM_FAILS); process.exit(1); }
const wait = new Int32Array(new SharedArrayBuffer(4));
Atomics.wait(wait, 0, 0, Number(process.env.NPM_MS ?? 0));
if (args[0] === "ci") fs.mkdirSync("node_modules/.bin", { recursive: true });
else {
  const [name, version] = args.find((arg) => /^node-/.test(arg)).split("@");
  const folder = path.join(args[args.indexOf("--prefix") + 1], "node_modules", name);
  fs.mkdirSync(path.join(folder, "bin"), { recursive: true });
  fs.symlinkSync(process.env.NPM_NODE, path.join(folder, "bin", "node"));
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ version }));
  fs.writeFileSync(path.join(folder, "..", ".package-lock.json"), "{}");
}
`;

interface Checkout {
  readonly folder: string;
  start(args: readonly string[], env?: Record<string, string>, nodeArgs?: readonly string[]): ChildProcess;
  run(
    args: readonly string[],
    env?: Record<string, string>,
    nodeArgs?: readonly string[],
  ): Promise<{ code: number | null; stdout: string; stderr: string }>;
  calls(): readonly string[];
}

function checkout(t: Test): Checkout {
  const folder = mkdtempSync(join(tmpdir(), "loopkube-bootstrap-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["bootstrap.mjs", "run.mjs"]) cpSync(join(root, "scripts", name), join(folder, "scripts", name));
  writeFileSync(join(folder, "package-lock.json"), "{}\n");
  const npm = join(folder, "npm", "npm-cli.js");
  mkdirSync(join(folder, "npm"));
  writeFileSync(npm, NPM);
  const calls = join(folder, "calls");
  writeFileSync(calls, "");
  const start: Checkout["start"] = (args, env = {}, nodeArgs = []) =>
    spawn(process.execPath, [...nodeArgs, "scripts/run.mjs", ...args], {
      cwd: folder,
      env: { ...process.env, npm_execpath: npm, NPM_CALLS: calls, NPM_NODE: process.execPath, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
  return {
    folder,
    start,
    async run(args, env, nodeArgs) {
      const child = start(args, env, nodeArgs);
      let [stdout, stderr] = ["", ""];
      child.stdout?.setEncoding("utf8").on("data", (text) => (stdout += text));
      child.stderr?.setEncoding("utf8").on("data", (text) => (stderr += text));
      const [code] = await once(child, "close");
      return { code: typeof code === "number" ? code : null, stdout, stderr };
    },
    calls: () =>
      readFileSync(calls, "utf8")
        .split("\n")
        .filter((line) => line !== ""),
  };
}

t.test("dependencies are installed once per lock file", async (t) => {
  const { folder, run, calls } = checkout(t);
  const first = await run(["node", "-p", "6*7"]);
  t.match(first, {
    code: 0,
    stdout: "42\n",
    stderr: /^loopkube: installing dependencies …\nloopkube: dependencies ready \(\d+\.\d s\)\n$/,
  });
  t.match(await run(["node", "-p", "1"]), { code: 0, stderr: "" }, "nothing to do, nothing to say");
  t.strictSame(calls(), ["ci"]);
  appendFileSync(join(folder, "package-lock.json"), "\n");
  await run(["node", "-p", "1"]);
  t.strictSame(calls(), ["ci", "ci"]);
});

t.test("a Node that cannot strip types fetches one that can", async (t) => {
  const { folder, run, calls } = checkout(t);
  const result = await run(["node", "-p", "process.execPath"], {}, ["--no-strip-types"]);
  t.match(result, { code: 0, stderr: /fetching Node 26\.10\.0, because this is v.*\nloopkube: Node v.* ready/ });
  t.match(calls(), [/^install .*\.toolchain node-.*@26/, "ci"]);
  await run(["node", "-p", "1"], {}, ["--no-strip-types"]);
  t.equal(calls().length, 2);
  t.notOk(existsSync(join(folder, ".toolchain", ".lock")), "the lock is released");
});

t.test("two at once install once", async (t) => {
  const { run, calls } = checkout(t);
  const both = await Promise.all([run(["node", "-p", "1"], { NPM_MS: "600" }), run(["node", "-p", "2"], { NPM_MS: "600" })]);
  t.strictSame(
    both.map(({ code, stdout }) => `${code} ${stdout.trim()}`),
    ["0 1", "0 2"],
  );
  t.strictSame(calls(), ["ci"]);
  t.match(both.map(({ stderr }) => stderr).join(""), "another process is installing; waiting for it");
});

t.test("a lock whose holder has died is broken", async (t) => {
  const { folder, run } = checkout(t);
  const dead = spawn(process.execPath, ["-e", ""]);
  await once(dead, "close");
  mkdirSync(join(folder, ".toolchain", ".lock"), { recursive: true });
  writeFileSync(join(folder, ".toolchain", ".lock", String(dead.pid)), "");
  t.match(await run(["node", "-p", "1"]), { code: 0, stdout: "1\n" });
});

t.test("failures say what to do", async (t) => {
  const { run } = checkout(t);
  const offline = await run(["node", "-p", "1"], {
    NPM_FAILS: "npm error code ENOTFOUND\nnpm error request to https://registry.example/x failed, reason: getaddrinfo ENOTFOUND",
  });
  t.equal(offline.code, 1);
  t.match(
    offline.stderr,
    /cannot reach the npm registry, which is needed once, before the first run\n {2}request to https:\/\/registry\.example\/x failed/,
  );
  t.match(await run(["node", "-p", "1"], { NPM_FAILS: "npm error disk full" }), { code: 1, stderr: /npm failed:\ndisk full/ });
  t.match(await run(["no-such-program"]), { code: 1, stderr: /no such command: no-such-program/ }, "after that, a run starts over");
  t.match(await run([]), { code: 2, stderr: /^usage: / });
});

t.test("exit codes and signals pass through", async (t) => {
  const { run, start } = checkout(t);
  t.match(await run(["node", "-e", "process.exit(7)"]), { code: 7 });
  const child = start(["node", "-e", "process.on('SIGTERM', () => process.exit(9)); setInterval(() => {}, 1000); console.log('up')"]);
  if (child.stdout) await once(child.stdout, "data");
  child.kill("SIGTERM");
  t.strictSame(await once(child, "close"), [9, null]);
  const killed = start(["node", "-e", "process.kill(process.pid, 'SIGKILL')"]);
  t.strictSame(await once(killed, "close"), [null, "SIGKILL"], "dies as its child did");
});
