// Merging into and removing from the user's kubeconfig, with kind's rules: same-named entries are replaced, others kept,
// and `<file>.lock` is held with O_EXCL as client-go does. Nothing else in the file is touched.
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { parse } from "yaml";
import { type Kubeconfig, kubeconfigText } from "../cluster/kubeconfig.ts";
import { realClock, sleep } from "../model/clock.ts";
import { Failure } from "./failure.ts";

const LOCK_RETRIES_MS = [0, 1, 50, 100, 200, 400];

/** The file that a merge goes to: `explicit`, else the first of $KUBECONFIG, else ~/.kube/config. */
export function kubeconfigPath(explicit: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  if (explicit) return explicit;
  const listed = (env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  return listed.find((path) => existsSync(path)) ?? listed.at(-1) ?? join(homedir(), ".kube", "config");
}

/** The context that kubectl uses: of the first file of $KUBECONFIG that names one. Undefined when none does or can be read. */
export function currentContext(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const listed = (env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  for (const path of listed.length > 0 ? listed : [join(homedir(), ".kube", "config")]) {
    try {
      const current = readConfig(path)["current-context"];
      if (current) return current;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  return undefined;
}

/** Adds or replaces the entry's cluster, user and context and makes its context current. */
export async function mergeKubeconfig(path: string, entry: Kubeconfig): Promise<void> {
  await withLock(path, () => {
    const config = readConfig(path);
    const merged: Kubeconfig = {
      ...config,
      clusters: replaceNamed(config.clusters, entry.clusters),
      users: replaceNamed(config.users, entry.users),
      contexts: replaceNamed(config.contexts, entry.contexts),
      "current-context": entry["current-context"],
    };
    writeAtomically(path, kubeconfigText(merged));
  });
}

/** Removes what mergeKubeconfig added under `name`; a current-context that named it is cleared. The file stays. */
export async function removeFromKubeconfig(path: string, name: string): Promise<void> {
  if (!existsSync(path)) return;
  await withLock(path, () => {
    const config = readConfig(path);
    const without = <T extends { name: string }>(items: T[]): T[] => items.filter((item) => item.name !== name);
    const current = config["current-context"] === name ? "" : config["current-context"];
    const left = {
      ...config,
      clusters: without(config.clusters),
      users: without(config.users),
      contexts: without(config.contexts),
      "current-context": current,
    };
    writeAtomically(path, kubeconfigText(left));
  });
}

/** The same for a cluster that ended without stopping: a file that cannot be changed is told on stderr and left as it is. */
export async function takeBack(path: string, name: string): Promise<void> {
  try {
    await removeFromKubeconfig(path, name);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    process.stderr.write(`   context "${name}" is still in ${path}: ${error.message}\n`);
  }
}

const replaceNamed = <T extends { name: string }>(old: readonly T[], added: readonly T[]): T[] => [
  ...old.filter((item) => !added.some(({ name }) => name === item.name)),
  ...added,
];

function readConfig(path: string): Kubeconfig {
  const empty: Kubeconfig = { apiVersion: "v1", kind: "Config", clusters: [], users: [], contexts: [], "current-context": "" };
  if (!existsSync(path)) return empty;
  try {
    const found = (parse(readFileSync(path, "utf8")) ?? {}) as Partial<Kubeconfig>;
    if (typeof found !== "object") throw new Error("it is not a YAML mapping");
    return { ...empty, ...found, clusters: found.clusters ?? [], users: found.users ?? [], contexts: found.contexts ?? [] };
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new Failure(`cannot read the kubeconfig ${path}: ${reason}`, {
      advice: ["repair the file, or use another one: loopkube up --kubeconfig FILE"],
      cause: error,
    });
  }
}

/** A link stays a link, and a file that is there keeps its mode, as when kubectl writes it. */
function writeAtomically(path: string, text: string): void {
  const isThere = existsSync(path);
  const target = isThere ? realpathSync(path) : path;
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600 });
    if (isThere) chmodSync(temporary, statSync(target).mode);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw cannotWrite(path, error);
  }
}

function cannotWrite(path: string, cause: unknown): Failure {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const advice = ["use another one: loopkube up --kubeconfig FILE", "or none of yours: loopkube up --own-kubeconfig"];
  return new Failure(`cannot write the kubeconfig ${path}: ${reason}`, { advice, cause });
}

async function withLock(path: string, work: () => void): Promise<void> {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  } catch (error) {
    throw cannotWrite(path, error);
  }
  const lock = `${path}.lock`;
  for (const delayMs of LOCK_RETRIES_MS) {
    await sleep(realClock, delayMs);
    let handle: number;
    try {
      handle = openSync(lock, "wx", 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") continue;
      throw cannotWrite(path, error);
    }
    closeSync(handle);
    try {
      return work();
    } finally {
      rmSync(lock, { force: true });
    }
  }
  throw new Failure(`the kubeconfig ${path} is locked by another program`, { advice: [`when none is running, remove ${lock}`] });
}
