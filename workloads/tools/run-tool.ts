// Runs an argv in a pod: finds the program, gives it a terminal when asked for, and turns being stopped into an exit code.
import { posix } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { ContainerContext } from "../../model/ports.ts";
import { Terminal } from "./terminal.ts";
import { Terminated, type NamedTool, type Tool, type ToolIo } from "./tool.ts";
import { isFolder, resolvePath } from "./file-tree.ts";

/** The argv names no program of this container; `message` is the container runtime's. */
export class ExecutableNotFound extends Error {
  override readonly name = "ExecutableNotFound";
  readonly file: string;
  constructor(file: string) {
    const detail = file.includes("/") ? `stat ${file}: no such file or directory` : "executable file not found in $PATH";
    super(`exec: "${file}": ${detail}: unknown`);
    this.file = file;
  }
}

/** The streams of one run. */
export interface ToolStreams {
  readonly stdin?: Readable | undefined;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly tty: boolean;
  readonly signal: AbortSignal;
}

const PATH_FOLDERS = ["/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin", "/usr/local/sbin", "/"];

/** The program an argv[0] names: a bare name, or a path to it in a bin folder or the root. */
export function findProgram(programs: ReadonlyMap<string, Tool>, file: string): Tool | undefined {
  if (!file.includes("/")) return programs.get(file);
  const path = posix.normalize(file);
  return programs.get(path) ?? (PATH_FOLDERS.includes(posix.dirname(path)) ? programs.get(posix.basename(path)) : undefined);
}

/**
 * Runs `argv` as a process of the container. Resolves with its exit code: 128 + n when a signal stopped it, 126 for a file that is
 * no program. Throws ExecutableNotFound when there is no such program.
 */
export async function runTool(
  argv: readonly string[],
  context: ContainerContext,
  streams: ToolStreams,
  programs: ReadonlyMap<string, Tool>,
): Promise<number> {
  const file = argv[0] ?? "";
  const tool = findProgram(programs, file);
  const terminal = streams.tty && streams.stdin ? new Terminal(streams.stdin, streams.stdout) : undefined;
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(streams.signal.reason instanceof Terminated ? streams.signal.reason : new Terminated("SIGTERM"));
  if (streams.signal.aborted) onAbort();
  else streams.signal.addEventListener("abort", onAbort, { once: true });
  const workingDir = context.pod.spec?.containers.find((container) => container.name === context.container)?.workingDir;
  const io: ToolIo = {
    stdin: terminal ? terminal.openStdin() : streams.stdin,
    stdout: terminal?.output ?? streams.stdout,
    stderr: terminal?.output ?? streams.stderr,
    tty: terminal !== undefined,
    ...(terminal ? { terminal } : {}),
    signal: stop.signal,
    cwd: resolvePath("/", workingDir ?? "/"),
    env: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      HOSTNAME: context.hostname,
      HOME: "/root",
      ...(terminal ? { TERM: "xterm" } : {}),
      ...context.env,
    },
    context,
    files: context.files,
    programs,
  };
  if (terminal) terminal.onInterrupt = () => stop.abort(new Terminated("SIGINT"));
  try {
    if (tool) return await tool(argv, io);
    const shell = programs.get("sh");
    const path = resolvePath(io.cwd, file);
    if (file.includes("/") && shell && context.files.read(path)?.startsWith("#!")) return await shell(["sh", path, ...argv.slice(1)], io);
    if (file.includes("/") && isFolder(context.files, path)) return 126;
    throw new ExecutableNotFound(file);
  } catch (error) {
    if (error instanceof Terminated) return error.exitCode;
    throw error;
  } finally {
    streams.signal.removeEventListener("abort", onAbort);
  }
}

/** A table of programs by name; later lists win. */
export function programTable(...lists: readonly (readonly NamedTool[])[]): ReadonlyMap<string, Tool> {
  return new Map(lists.flat().map(({ name, run }) => [name, run]));
}
