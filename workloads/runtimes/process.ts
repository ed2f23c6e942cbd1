// The process runtime: a container is a child process of this machine, with a private port for each of the pod's ports.
// Left out: isolation of any kind; the program sees the machine's files and network (docs/fidelity.md says what follows from that).
import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecStreams, Image } from "../../model/ports.ts";
import { exposeWhenListening, mapPorts } from "./backed-ports.ts";
import { portVariables, type MappedPort, type PrivatePorts } from "./port-map.ts";
import { StartError, type ContainerExit, type Runtime, type RunningContainer, type Sandbox } from "./runtime.ts";

type ProcessImage = Extract<Image, { readonly runtime: "process" }>;

/** Variables of this process that a child needs to find its programs; nothing else of it is passed on. */
const INHERITED = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "SystemRoot", "PATHEXT", "ComSpec"];
const PORT_TAKEN = /EADDRINUSE|address already in use|bind\(\) failed/i;
const MAX_PORT_TRIES = 5;
const PRELOAD = fileURLToPath(new URL("./preload.mjs", import.meta.url));
const isWindows = process.platform === "win32";

export interface ProcessRuntimeOptions {
  readonly privatePorts: PrivatePorts;
  /** Variables through which clients in the child go to the cluster, by the pod's identity. */
  readonly proxyVariables: (sandbox: Sandbox) => Readonly<Record<string, string>>;
}

/** Runs commands. The pod's `command` replaces the image's, its `args` follow it. */
export function createProcessRuntime(options: ProcessRuntimeOptions): Runtime<ProcessImage> {
  return {
    async start(image, sandbox) {
      const abort = new AbortController();
      let child = await launch(image, sandbox, options);
      const kill = (): void => {
        abort.abort();
        signalGroup(child.process, "SIGKILL");
      };
      sandbox.signal.addEventListener("abort", () => signalGroup(child.process, "SIGTERM"), { once: true });
      const follow = async (): Promise<ContainerExit> => {
        for (let tries = 1; ; tries++) {
          const up = new AbortController();
          const stopPolling = (): void => up.abort();
          abort.signal.addEventListener("abort", stopPolling, { once: true });
          const exposed = exposeWhenListening(sandbox, child.ports, up.signal);
          const exit = await child.exited;
          up.abort();
          for (const registration of await exposed) await registration.close();
          const again =
            exit.exitCode !== 0 && child.portTaken() && tries < MAX_PORT_TRIES && !abort.signal.aborted && !sandbox.signal.aborted;
          if (!again) return exit;
          child = await launch(image, sandbox, options);
        }
      };
      const exited = follow();
      const exec: NonNullable<RunningContainer["exec"]> = (command, streams) => execIn(image, sandbox, child.env, command, streams);
      return { exited, kill, exec };
    },
  };
}

interface Launched {
  readonly process: ChildProcess;
  readonly env: Readonly<Record<string, string>>;
  readonly ports: readonly MappedPort[];
  readonly exited: Promise<ContainerExit>;
  portTaken(): boolean;
}

async function launch(image: ProcessImage, sandbox: Sandbox, options: ProcessRuntimeOptions): Promise<Launched> {
  const ports = await mapPorts(sandbox, image.ports ?? [], options.privatePorts);
  const [file = "", ...args] = sandbox.argv;
  const env = environment(sandbox, ports, options, file);
  const child = spawn(file, args, {
    env,
    stdio: ["pipe", "pipe", "pipe"],
    detached: !isWindows,
    ...(image.cwd === undefined ? {} : { cwd: image.cwd }),
  });
  let taken = false;
  child.stdout.on("data", (chunk: Buffer) => sandbox.stdout.write(chunk));
  child.stderr.on("data", (chunk: Buffer) => {
    taken ||= PORT_TAKEN.test(chunk.toString("utf8"));
    sandbox.stderr.write(chunk);
  });
  child.stdin.on("error", () => {});
  if (sandbox.stdin) sandbox.stdin.pipe(child.stdin);
  else child.stdin.end();
  const exited = new Promise<ContainerExit>((resolve) => {
    child.once("error", (error: NodeJS.ErrnoException) => resolve({ exitCode: 128, startError: startErrorText(file, error) }));
    child.once("close", (code, signal) => resolve(exitOf(code, signal)));
  });
  return { process: child, env, ports, exited, portTaken: () => taken };
}

function environment(
  sandbox: Sandbox,
  ports: readonly MappedPort[],
  options: ProcessRuntimeOptions,
  file: string,
): Readonly<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  Object.assign(
    env,
    { POD_IP: sandbox.peer.ip, HOSTNAME: sandbox.hostname },
    options.proxyVariables(sandbox),
    sandbox.env,
    portVariables(ports),
  );
  // Programs that start Node themselves (npm, npx, a shell script) pass the variable on.
  const preload = `--import ${new URL(`file://${PRELOAD}`).href}`;
  if (!/^(python|ruby|java|go)/.test(basename(file)))
    env["NODE_OPTIONS"] = [sandbox.env["NODE_OPTIONS"], preload].filter(Boolean).join(" ");
  return env;
}

function exitOf(code: number | null, signal: NodeJS.Signals | null): ContainerExit {
  if (signal === null) return { exitCode: code ?? 0 };
  const number = constants.signals[signal];
  return { exitCode: 128 + number, signal: number };
}

function startErrorText(file: string, error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") {
    return `exec: "${file}": ${file.includes("/") ? `stat ${file}: no such file or directory` : "executable file not found in $PATH"}: unknown`;
  }
  return `exec: "${file}": ${error.code === "EACCES" ? "permission denied" : error.message}: unknown`;
}

/** Signals the child and all that it has started. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    if (isWindows) child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

function execIn(
  image: ProcessImage,
  _sandbox: Sandbox,
  env: Readonly<Record<string, string>>,
  command: readonly string[],
  streams: ExecStreams,
): Promise<number> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, {
    env,
    stdio: ["pipe", "pipe", "pipe"],
    detached: !isWindows,
    ...(image.cwd === undefined ? {} : { cwd: image.cwd }),
  });
  child.stdout.pipe(streams.stdout, { end: false });
  child.stderr.pipe(streams.stderr, { end: false });
  child.stdin.on("error", () => {});
  if (streams.stdin) streams.stdin.pipe(child.stdin);
  else child.stdin.end();
  const onAbort = (): void => signalGroup(child, "SIGKILL");
  streams.signal.addEventListener("abort", onAbort, { once: true });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new StartError(startErrorText(file, error))));
    child.once("close", (code, signal) => {
      streams.signal.removeEventListener("abort", onAbort);
      resolve(exitOf(code, signal).exitCode);
    });
  });
}
