// `loopkube up`: starts a cluster, merges its context, prints what to type next and runs until Ctrl-C; with -d it goes to the background.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { Command, Option } from "commander";
import { createApiClient } from "../../cluster/api-client.ts";
import { applyManifests } from "../../cluster/apply.ts";
import type { Cluster } from "../../cluster/index.ts";
import { type ClusterOptions, IPVS_SCHEDULERS, PROXY_MODES, WELL_KNOWN_PORTS } from "../../cluster/options.ts";
import { realClock } from "../../model/clock.ts";
import { detach, type Ready } from "../detach.ts";
import { Failure } from "../failure.ts";
import { kubeconfigPath, mergeKubeconfig, removeFromKubeconfig, takeBack } from "../kubeconfig-file.ts";
import { nameOption, nextCommands } from "../next-commands.ts";
import { cidr, count, duration, nodePortAddresses, nodeProxyMode, portRange } from "../option-values.ts";
import {
  isAlive,
  makeStateDirectory,
  processStart,
  readState,
  removeState,
  type RunState,
  stateDirectory,
  writeState,
} from "../run-state.ts";
import { createProgress, print, type Progress, style } from "../terminal.ts";
import { DEMO_DIRECTORY } from "../demo.ts";

export interface UpOptions {
  readonly name: string;
  readonly nodes: number;
  readonly demo?: boolean;
  readonly addressPlan?: "direct" | "mapped";
  readonly ipFamily: "ipv4" | "dual";
  readonly serviceCidr?: string;
  readonly podCidr?: string;
  readonly seed?: string;
  readonly nodeportAddresses?: readonly string[];
  readonly serviceNodePortRange?: NonNullable<ClusterOptions["nodePortRange"]>;
  readonly propagationDelay: number;
  readonly proxyMode: NonNullable<ClusterOptions["proxyMode"]>;
  readonly nodeProxyMode: NonNullable<ClusterOptions["nodeProxyModes"]>;
  readonly ipvsScheduler?: string;
  readonly kubeconfig?: string;
  readonly ownKubeconfig?: boolean;
  readonly file: readonly string[];
  readonly detach?: boolean;
  readonly output?: string;
  readonly strictImages?: boolean;
  readonly quiet?: boolean;
  readonly corefile?: string;
}

export function upCommand(): Command {
  return new Command("up")
    .description("start a cluster")
    .option("--demo", "run the demo shop in it")
    .option("--nodes <count>", "number of nodes", count, 3)
    .addOption(new Option("--name <name>", "the cluster's name").default("loopkube"))
    .addOption(
      new Option("--address-plan <plan>", "direct: addresses are socket addresses; mapped: all on 127.0.0.1").choices(["direct", "mapped"]),
    )
    .addOption(
      new Option("--ip-family <family>", "dual: IPv4 and IPv6 addresses, in the mapped plan").choices(["ipv4", "dual"]).default("ipv4"),
    )
    .option("--service-cidr <block>", "Service addresses (default 127.96.0.0/16)", cidr)
    .option("--pod-cidr <block>", "pod addresses (default 127.244.0.0/16)", cidr)
    .option("--seed <seed>", "seed of all random choices (default: the time)")
    .option("--propagation-delay <duration>", "how late nodes, DNS and ingress see changes", duration, 0)
    .addOption(new Option("--proxy-mode <mode>", "how Services choose pods").choices([...PROXY_MODES]).default("iptables"))
    .addOption(
      new Option("--node-proxy-mode <node=mode>", "the mode of one node where it is another, may be repeated")
        .argParser(nodeProxyMode)
        .default({}, "none"),
    )
    .addOption(new Option("--ipvs-scheduler <name>", "how proxy mode ipvs chooses (default: rr)").choices([...IPVS_SCHEDULERS]))
    .option(
      "--nodeport-addresses <blocks>",
      "node addresses at which NodePorts answer: primary, or blocks such as 127.18.0.2/32 (default: all; nftables: primary)",
      nodePortAddresses,
    )
    .option("--service-node-port-range <range>", "e.g. 30000-32767", portRange)
    .option("--kubeconfig <file>", "merge the context into this file (default: $KUBECONFIG or ~/.kube/config)")
    .option("--own-kubeconfig", "leave the user's kubeconfig alone and print how to use the cluster's own")
    .addOption(
      new Option("-f, --file <file>", "apply this manifest or folder, may be repeated")
        .argParser((path: string, all: string[]) => [...all, path])
        .default([], "none"),
    )
    .option("--corefile <file>", "configuration of cluster DNS; later changes go to ConfigMap kube-system/coredns")
    .option("--strict-images", "unknown images fail with ErrImagePull instead of answering as an echo server")
    .option("-d, --detach", "go to the background when ready")
    .option("-q, --quiet", "print nothing but errors")
    .addOption(new Option("-o, --output <format>", "print the status when ready").choices(["json"]))
    .action(async (options: UpOptions) => {
      refuseSecond(options.name);
      refuseWithoutEffect(options);
      refuseDirectDualStack(options);
      await readCorefile(options.corefile, (warning) => {
        if (!options.quiet) process.stderr.write(` • ${options.corefile}: ${warning}\n`);
      });
      // A process with a channel is the one in the background, whatever way -d was written (`-qd`).
      if (options.detach && !process.send) return show(await detach(options.name), options);
      await run(options);
    });
}

function refuseWithoutEffect({ ipvsScheduler, proxyMode, nodeProxyMode: modes }: UpOptions): void {
  if (ipvsScheduler === undefined || [proxyMode, ...Object.values(modes)].includes("ipvs")) return;
  throw new Failure(`--ipvs-scheduler has no effect in proxy mode ${proxyMode}`, {
    advice: [`loopkube up --proxy-mode ipvs --ipvs-scheduler ${ipvsScheduler}`],
  });
}

function refuseSecond(name: string): void {
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name)) {
    throw new Failure(`"${name}" is no valid cluster name`, { advice: ["use lower-case letters, digits and dashes: --name lab-1"] });
  }
  const state = readState(name);
  if (state && isAlive(state)) {
    throw new Failure(`a cluster named "${name}" is already running (pid ${state.pid})`, {
      advice: [`stop it: loopkube down${nameOption(name)}`, "or start another one beside it: loopkube up --name lab"],
    });
  }
}

function refuseDirectDualStack({ ipFamily, addressPlan }: UpOptions): void {
  if (ipFamily !== "dual" || addressPlan !== "direct") return;
  throw new Failure(
    "--ip-family dual needs the mapped address plan: IPv6 has no loopback block whose addresses could be dialled directly",
    {
      advice: ["leave out --address-plan direct: loopkube up --ip-family dual"],
    },
  );
}

async function run(options: UpOptions): Promise<void> {
  const began = realClock.monotonic();
  const progress = createProgress(options.quiet ?? options.output === "json");
  const interrupt = onInterrupt();
  await cleanStale(options);
  const files = manifestFiles(options);
  const corefile = await readCorefile(options.corefile);
  makeStateDirectory(options.name);
  try {
    await runCluster(options, { began, progress, interrupt, files, corefile });
  } finally {
    removeState(options.name);
  }
}

interface Preparations {
  readonly began: number;
  readonly progress: Progress;
  readonly interrupt: AbortController;
  readonly files: ReturnType<typeof manifestFiles>;
  readonly corefile: Corefile;
}

async function runCluster(options: UpOptions, { began, progress, interrupt, files, corefile }: Preparations): Promise<void> {
  const interrupted = interrupt.signal;
  await using cluster = await progress.phase(
    `cluster "${options.name}" with ${options.nodes} ${options.nodes === 1 ? "node" : "nodes"}`,
    async () => {
      // Only `up` needs the whole cluster; the other commands start faster without it.
      const { startCluster } = await import("../../cluster/index.ts");
      return startCluster({ ...clusterOptions(options), ...corefile });
    },
  );
  const merged = options.ownKubeconfig ? undefined : kubeconfigPath(options.kubeconfig);
  const state = stateOf(cluster, options, merged);
  writeState(state, cluster.kubeconfig);
  try {
    if (merged) await mergeKubeconfig(merged, cluster.kubeconfigEntry);
    await applyFiles(cluster, files, progress);
    await waitForPods(cluster, progress, interrupted);
    if (interrupted.aborted) return;
    const ready: Ready = { status: { ...cluster.status(), kubeconfig: state.kubeconfig }, state, elapsedMs: realClock.monotonic() - began };
    if (process.send) report(ready, interrupt);
    else show(ready, options);
    if (!interrupted.aborted) await new Promise<void>((resolve) => interrupted.addEventListener("abort", () => resolve(), { once: true }));
    await progress.phase("stopping", () => cluster.stop());
  } finally {
    if (merged) await removeFromKubeconfig(merged, state.context);
  }
}

const SAME_KEYPRESS_MS = 500;

/** Aborts at the first signal, or when who waits for a cluster in the background leaves. A later signal (not the same Ctrl-C, which npm passes on too) ends the process at once. */
function onInterrupt(): AbortController {
  const abort = new AbortController();
  let first: number | undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      first ??= realClock.monotonic();
      if (realClock.monotonic() - first > SAME_KEYPRESS_MS) process.exit(130);
      abort.abort();
    });
  }
  process.once("disconnect", () => abort.abort());
  // The listener would keep a cluster that fails alive.
  process.channel?.unref();
  return abort;
}

/** Tells who waits that the cluster is ready; from then on that process may leave. */
function report(ready: Ready, interrupt: AbortController): void {
  process.removeAllListeners("disconnect");
  process.send?.(ready, undefined, undefined, (error) => {
    if (error) interrupt.abort();
  });
}

/** A pod that does not get ready is the user's to look at, not a reason to stop. */
async function waitForPods(cluster: Cluster, progress: Progress, signal: AbortSignal): Promise<void> {
  try {
    await progress.phase("DNS, ingress and pods ready", () => cluster.ready({ signal }));
  } catch (error) {
    if (signal.aborted) return;
    process.stderr.write(`   ${(error as Error).message}\n   kubectl describe tells why\n`);
  }
}

async function cleanStale(options: UpOptions): Promise<void> {
  const stale = readState(options.name);
  if (!stale && !existsSync(stateDirectory(options.name))) return;
  if (!options.quiet && options.output !== "json")
    process.stderr.write(` • cleaning up after "${options.name}", which ended without stopping\n`);
  if (stale?.merged) await takeBack(stale.merged, stale.context);
  removeState(options.name);
}

function clusterOptions(options: UpOptions): ClusterOptions {
  return {
    name: options.name,
    nodes: options.nodes,
    propagationDelayMs: options.propagationDelay,
    proxyMode: options.proxyMode,
    nodeProxyModes: options.nodeProxyMode,
    ports: WELL_KNOWN_PORTS,
    ...(options.ipFamily === "dual" ? { ipFamilies: ["IPv4", "IPv6"] } : {}),
    ...(options.addressPlan ? { addressPlan: options.addressPlan } : {}),
    ...(options.serviceCidr ? { serviceCidr: options.serviceCidr } : {}),
    ...(options.podCidr ? { podCidr: options.podCidr } : {}),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.nodeportAddresses && { nodePortAddresses: options.nodeportAddresses }),
    ...(options.serviceNodePortRange && { nodePortRange: options.serviceNodePortRange }),
    ...(options.ipvsScheduler === undefined ? {} : { ipvsScheduler: options.ipvsScheduler }),
    ...(options.strictImages ? { strictImages: true } : {}),
  };
}

function stateOf(cluster: Cluster, options: UpOptions, merged: string | undefined): RunState {
  return {
    name: options.name,
    pid: process.pid,
    started: processStart(process.pid),
    startedAt: new Date(realClock.now()).toISOString(),
    server: cluster.server,
    kubeconfig: join(stateDirectory(options.name), "kubeconfig"),
    context: cluster.kubeconfigEntry["current-context"],
    ...(merged ? { merged } : {}),
  };
}

/** The manifests to apply, read before anything starts so that a bad path fails at once. */
function manifestFiles(options: UpOptions): readonly { readonly path: string; readonly text: string }[] {
  const paths = [...(options.demo ? [DEMO_DIRECTORY] : []), ...options.file];
  return paths.flatMap(expand).map((path) => ({ path, text: readFileSync(path, "utf8") }));
}

/** What --corefile gives to a cluster. */
type Corefile = Pick<ClusterOptions, "corefile" | "corefileImports">;

/** The Corefile and the files beside it that it imports, set up once for trial so that a bad one fails before anything starts. */
async function readCorefile(path: string | undefined, onWarning: (warning: string) => void = () => undefined): Promise<Corefile> {
  if (path === undefined) return {};
  const isFile = (candidate: string): boolean => existsSync(candidate) && statSync(candidate).isFile();
  if (!isFile(path)) throw new Failure(`the Corefile "${path}" does not exist`);
  const corefile = readFileSync(path, "utf8");
  const { checkCorefile, CorefileError } = await import("../../cluster/index.ts");
  const corefileImports: Record<string, string> = {};
  const files = {
    read: (name: string): string | undefined => {
      const found = join(dirname(path), name);
      // A ConfigMap's keys have no folders.
      if (name.includes("/") || !isFile(found)) return undefined;
      return (corefileImports[name] = readFileSync(found, "utf8"));
    },
    list: (folder: string): readonly string[] =>
      folder === "" ? readdirSync(dirname(path)).filter((name) => isFile(join(dirname(path), name))) : [],
  };
  try {
    for (const warning of checkCorefile(corefile, files)) onWarning(warning);
  } catch (error) {
    if (error instanceof CorefileError) throw new Failure(error.message.replace(/(^|: )Corefile:/, `$1${path}:`));
    throw error;
  }
  return { corefile, corefileImports };
}

function expand(path: string): readonly string[] {
  if (!existsSync(path)) throw new Failure(`the path "${path}" does not exist`);
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path).filter((name) => /\.(ya?ml|json)$/.test(name));
  if (names.length === 0) throw new Failure(`the folder "${path}" holds no manifests: their names end in .yaml, .yml or .json`);
  return names.sort().map((name) => join(path, name));
}

async function applyFiles(
  cluster: Cluster,
  files: readonly { readonly path: string; readonly text: string }[],
  progress: Progress,
): Promise<void> {
  if (files.length === 0) return;
  using client = createApiClient(cluster.kubeconfig);
  let objects = 0;
  await progress.phase(`objects from ${files.length === 1 ? files[0]?.path : `${files.length} files`}`, async () => {
    for (const { path, text } of files) objects += (await applyManifests(client, cluster.store.resources, text, { file: path })).length;
  });
  if (objects === 0) throw new Failure("the manifests hold no objects");
}

function show(ready: Ready, options: UpOptions): void {
  if (options.output === "json") return print(JSON.stringify(ready.status, undefined, 2));
  if (options.quiet) return;
  const context = ready.state.merged
    ? `Context "${ready.state.context}" set in ${ready.state.merged}.`
    : `${style("bold", `export KUBECONFIG=${ready.state.kubeconfig}`)}`;
  print(
    `\nReady in ${(ready.elapsedMs / 1000).toFixed(2)} s. ${ready.state.merged ? context : "Your kubeconfig is untouched; in another terminal:"}`,
  );
  if (!ready.state.merged) print(`\n  ${context}`);
  const manifests = options.file.flatMap(expand).map((path) => readFileSync(path, "utf8"));
  print(
    `\n${nextCommands(ready.status, { name: options.name, demo: options.demo ?? false, detached: options.detach ?? false, manifests })}`,
  );
}
