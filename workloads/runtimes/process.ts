// The process runtime: a container is a child process of this machine, with a private port for each of the pod's ports.
// Left out: isolation of any kind; the program sees the machine's files and network (docs/fidelity.md says what follows from that).
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecStreams, Image } from "../../model/ports.ts";
import { exposeWhenListening, mapPorts } from "./backed-ports.ts";
import { startChild, type ChildProgram } from "./child-program.ts";
import { portVariables, type MappedPort, type PrivatePorts } from "./port-map.ts";
import type { Reaper } from "./reaper.ts";
import { createRootFolder } from "./root-folder.ts";
import { StartError, type ContainerExit, type Runtime, type RunningContainer, type Sandbox } from "./runtime.ts";

type ProcessImage = Extract<Image, { readonly runtime: "process" }>;

/** Variables of this process that a child needs to find its programs; nothing else of it is passed on. */
const INHERITED = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "SystemRoot", "PATHEXT", "ComSpec"];
const PORT_TAKEN = /EADDRINUSE|address already in use|bind\(\) failed/i;
const MAX_PORT_TRIES = 5;
const PRELOAD = fileURLToPath(new URL("./preload.mjs", import.meta.url));

export interface ProcessRuntimeOptions {
  readonly privatePorts: PrivatePorts;
  /** Told of every program, so that none outlives this process. */
  readonly reaper: Reaper;
  /** Variables through which clients in the child go to the cluster, by the pod's identity. */
  readonly proxyVariables: (sandbox: Sandbox) => Readonly<Record<string, string>>;
}

/** Runs commands. The pod's `command` replaces the image's, its `args` follow it. */
export function createProcessRuntime(options: ProcessRuntimeOptions): Runtime<ProcessImage> {
  return {
    async start(image, sandbox) {
      const abort = new AbortController();
      const root = createRootFolder(options.reaper.folder(), sandbox.files);
      let child = await launch(image, sandbox, root.path, options);
      const kill = (): void => {
        abort.abort();
        child.program.signal("SIGKILL");
      };
      sandbox.signal.addEventListener("abort", () => child.program.signal("SIGTERM"), { once: true });
      const follow = async (): Promise<ContainerExit> => {
        for (let tries = 1; ; tries++) {
          const up = new AbortController();
          const stopPolling = (): void => up.abort();
          abort.signal.addEventListener("abort", stopPolling, { once: true });
          const exposed = exposeWhenListening(sandbox, child.ports, up.signal);
          const exit = await child.program.exited;
          up.abort();
          for (const registration of await exposed) await registration.close();
          const again =
            exit.exitCode !== 0 && child.portTaken() && tries < MAX_PORT_TRIES && !abort.signal.aborted && !sandbox.signal.aborted;
          if (!again) return exit;
          child = await launch(image, sandbox, root.path, options);
        }
      };
      const exited = follow().finally(root.remove);
      const exec: NonNullable<RunningContainer["exec"]> = (command, streams) => execIn(image, child.env, command, streams, options.reaper);
      return { exited, kill, exec };
    },
  };
}

interface Launched {
  readonly program: ChildProgram;
  readonly env: Readonly<Record<string, string>>;
  readonly ports: readonly MappedPort[];
  portTaken(): boolean;
}

async function launch(image: ProcessImage, sandbox: Sandbox, root: string, options: ProcessRuntimeOptions): Promise<Launched> {
  const ports = await mapPorts(sandbox, image.ports ?? [], options.privatePorts);
  const env = { ...environment(sandbox, ports, options, sandbox.argv[0] ?? ""), LOOPKUBE_ROOT: root };
  let taken = false;
  const onOutput = (chunk: Buffer, stream: "stdout" | "stderr"): void => {
    if (stream === "stderr") taken ||= PORT_TAKEN.test(chunk.toString("utf8"));
    sandbox[stream].write(chunk);
  };
  const program = startChild({ argv: sandbox.argv, env, cwd: image.cwd, stdin: sandbox.stdin, onOutput }, options.reaper);
  return { program, env, ports, portTaken: () => taken };
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

async function execIn(
  image: ProcessImage,
  env: Readonly<Record<string, string>>,
  command: readonly string[],
  { stdin, stdout, stderr, signal }: ExecStreams,
  reaper: Reaper,
): Promise<number> {
  const streams = { stdout, stderr };
  const child = startChild(
    { argv: command, env, cwd: image.cwd, stdin, onOutput: (chunk, stream) => streams[stream].write(chunk) },
    reaper,
  );
  const onAbort = (): void => child.signal("SIGKILL");
  signal.addEventListener("abort", onAbort, { once: true });
  const { exitCode, startError } = await child.exited;
  signal.removeEventListener("abort", onAbort);
  if (startError !== undefined) throw new StartError(startError);
  return exitCode;
}
