// sh: scripts from -c, a file or standard input, and an interactive prompt on a terminal. Counterpart: busybox ash.
// Leaves out job control, aliases and completion. Unlike a real PID 1 without a trap, it ends at SIGTERM and does not wait for SIGKILL.
import { readFile, resolvePath } from "../file-tree.ts";
import { readAll } from "../streams.ts";
import { fail, Terminated, type NamedTool, type Tool, type ToolIo } from "../tool.ts";
import { linkedAbort, Shell } from "./execute.ts";
import { parseScript } from "./parse.ts";
import { ShellError, ShellExit, ShellState, type Frame } from "./state.ts";
import { ShellSyntaxError } from "./syntax.ts";

async function runSh(argv: readonly string[], io: ToolIo): Promise<number> {
  const state = new ShellState(io.cwd, 7 + io.context.random.int(90));
  const shell = new Shell(state);
  for (const [name, value] of Object.entries(io.env)) state.set(name, value, { exported: true });
  state.set("PWD", io.cwd, { exported: true });
  state.set("IFS", " \t\n");
  state.name = (argv[0] ?? "sh").replace(/^.*\//, "").replace(/^-/, "");
  const rest = [...argv.slice(1)];
  let fromArgument = false;
  let interactive = false;
  while (/^[-+]./.test(rest[0] ?? "") && rest[0] !== "--") {
    const word = rest.shift() ?? "";
    if (word === "--login") continue;
    if (word.startsWith("--")) return fail(io, `${state.name}: unrecognized option '${word}'`, 2);
    for (const letter of word.slice(1)) {
      if (letter === "c") fromArgument = true;
      else if (letter === "i") interactive = true;
      else if (letter === "o") state.options.add(rest.shift() === "pipefail" ? "pipefail" : "");
      else if (/[euxfav]/.test(letter)) state.options.add(letter);
      else if (!/[ls]/.test(letter)) return fail(io, `${state.name}: illegal option -${letter}`, 2);
    }
  }
  if (rest[0] === "--") rest.shift();
  const frame: Frame = { io };
  if (fromArgument) {
    const script = rest.shift();
    if (script === undefined) return fail(io, `${state.name}: -c requires an argument`, 2);
    if (rest.length > 0) state.name = rest.shift() ?? "sh";
    state.positional = rest;
    return finish(shell, frame, () => shell.run(script, frame));
  }
  const file = rest.shift();
  if (file !== undefined) {
    const script = readFile(io.files, resolvePath(io.cwd, file));
    if ("error" in script) return fail(io, `${state.name}: can't open '${file}': ${script.error}`, 2);
    state.name = file;
    state.positional = rest;
    return finish(shell, frame, () => shell.run(script.text, frame));
  }
  if (io.terminal && io.tty) return interact(shell, frame);
  if (interactive && !io.stdin) return 0;
  return finish(shell, frame, async () => shell.run((await readAll(io.stdin, io.signal)).toString(), { io: { ...io, stdin: undefined } }));
}

/** Runs a script to its end, then its EXIT trap; SIGTERM runs its TERM trap. */
async function finish(shell: Shell, frame: Frame, body: () => Promise<number>): Promise<number> {
  let status = await shell.process(body, frame);
  const calm: Frame = { io: { ...frame.io, signal: new AbortController().signal } };
  if (frame.io.signal.aborted) {
    const reason: unknown = frame.io.signal.reason;
    const name = reason instanceof Terminated ? reason.signalName.slice(3) : "TERM";
    const action = shell.state.traps.get(name);
    if (action !== undefined) status = await shell.process(() => shell.run(action, calm), calm);
  }
  const last = shell.state.traps.get("EXIT");
  if (last !== undefined) {
    shell.state.status = status;
    const after = await shell.process(async () => (await shell.run(last, calm), -1), calm);
    if (after >= 0) status = after;
  }
  for (const job of shell.state.jobs) job.stop.abort(new Terminated("SIGHUP"));
  return status;
}

async function interact(shell: Shell, frame: Frame): Promise<number> {
  const { io } = frame;
  const { terminal } = io;
  if (!terminal) return 0;
  const { state } = shell;
  state.interactive = true;
  let gone: (() => void) | undefined;
  const closed = new Promise<{ readonly type: "end" }>((resolve) => {
    gone = () => resolve({ type: "end" });
  });
  io.signal.addEventListener("abort", () => gone?.(), { once: true });
  terminal.onInterrupt = undefined;
  let pending = "";
  for (;;) {
    const home = state.get("HOME");
    const place = home !== undefined && home !== "/" && state.cwd.startsWith(home) ? `~${state.cwd.slice(home.length)}` : state.cwd;
    const answer = await Promise.race([terminal.prompt(pending === "" ? `${place} # ` : "> "), closed]);
    if (answer.type === "end") {
      if (!io.signal.aborted) io.stdout.write("\n");
      return finish(shell, frame, async () => state.status);
    }
    if (answer.type === "interrupt") {
      pending = "";
      state.status = 130;
      continue;
    }
    pending += pending === "" ? answer.text : `\n${answer.text}`;
    try {
      parseScript(pending);
    } catch (error) {
      if (error instanceof ShellSyntaxError && error.incomplete) continue;
    }
    const script = pending;
    pending = "";
    const exit = await runForeground(shell, frame, script);
    if (exit) return finish(shell, frame, async () => exit.code);
  }
}

/** One command line of the prompt, with its own Ctrl-C. Resolves with the exit when it asked for one. */
async function runForeground(shell: Shell, frame: Frame, script: string): Promise<ShellExit | undefined> {
  const { terminal } = frame.io;
  const stop = linkedAbort(frame.io.signal);
  const inner: Frame = { io: { ...frame.io, signal: stop.controller.signal, ...(terminal ? { stdin: terminal.openStdin() } : {}) } };
  if (terminal) terminal.onInterrupt = () => stop.controller.abort(new Terminated("SIGINT"));
  try {
    await shell.run(script, inner);
    return undefined;
  } catch (error) {
    if (error instanceof ShellExit) return error;
    if (error instanceof Terminated) shell.state.status = error.exitCode;
    else if (error instanceof ShellError) {
      frame.io.stderr.write(`${shell.state.name}: ${error.message}\n`);
      shell.state.status = error.code;
    } else if (!(error instanceof Error && (error.name === "FunctionReturn" || error.name === "LoopControl"))) throw error;
    return undefined;
  } finally {
    stop.release();
    if (terminal) terminal.onInterrupt = undefined;
  }
}

const run: Tool = (argv, io) => runSh(argv, io);

/** The shell under the names that images give it. */
export const shells: readonly NamedTool[] = ["sh", "ash", "bash", "dash"].map((name) => ({ name, run }));
