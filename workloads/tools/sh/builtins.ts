// Commands that act on the shell itself. Tools that only print (echo, test, pwd …) are ordinary programs of the table.
import { isFolder, readFile, resolvePath } from "../file-tree.ts";
import { findProgram } from "../run-tool.ts";
import { readLine } from "../streams.ts";
import { fail, orTerminated, SIGNAL_NUMBERS, Terminated } from "../tool.ts";
import { FunctionReturn, LoopControl, ShellError, ShellExit, type Frame, type RunningShell } from "./state.ts";

type Builtin = (argv: readonly string[], frame: Frame, shell: RunningShell) => Promise<number> | number;

/** Programs of the table that ash has built in: `type` says so. */
const ASH_BUILTINS = new Set(["echo", "test", "[", "printf", "true", "false", "pwd"]);
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const OPTION_NAMES: Readonly<Record<string, string>> = {
  errexit: "e",
  nounset: "u",
  xtrace: "x",
  noglob: "f",
  allexport: "a",
  pipefail: "pipefail",
  noexec: "n",
  verbose: "v",
  monitor: "m",
};

function count(text: string | undefined, command: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d+$/.test(text)) throw new ShellError(`${command}: Illegal number: ${text}`);
  return Number(text);
}

function declare(argv: readonly string[], frame: Frame, shell: RunningShell, marks: { exported?: boolean; readonly?: boolean }): number {
  const words = argv.slice(1).filter((word) => word !== "-p");
  if (words.length === 0) {
    for (const [name, variable] of [...shell.state.variables()].sort()) {
      const listed = marks.exported ? variable.exported : variable.readonly;
      if (listed) frame.io.stdout.write(`${argv[0] ?? ""} ${name}='${(variable.value ?? "").replaceAll("'", "'\\''")}'\n`);
    }
    return 0;
  }
  if (words[0] === "-n") {
    for (const name of words.slice(1)) shell.state.set(name, undefined, { exported: false });
    return 0;
  }
  for (const word of words) {
    const at = word.indexOf("=");
    const name = at < 0 ? word : word.slice(0, at);
    if (!NAME.test(name)) throw new ShellError(`${argv[0] ?? ""}: ${name}: bad variable name`);
    shell.state.set(name, at < 0 ? undefined : word.slice(at + 1), marks);
  }
  return 0;
}

function setOptions(argv: readonly string[], frame: Frame, shell: RunningShell): number {
  const { options } = shell.state;
  for (let i = 1; i < argv.length; i++) {
    const word = argv[i] ?? "";
    if (word === "--") {
      shell.state.positional = argv.slice(i + 1);
      return 0;
    }
    if (!/^[-+]./.test(word)) {
      shell.state.positional = argv.slice(i);
      return 0;
    }
    for (const letter of word.slice(1)) {
      const option = letter === "o" ? OPTION_NAMES[argv[++i] ?? ""] : /[aefumnvxbhCE]/.test(letter) ? letter : undefined;
      if (option === undefined) throw new ShellError(`set: illegal option ${word}`);
      if (word.startsWith("-")) options.add(option);
      else options.delete(option);
    }
  }
  if (argv.length === 1)
    for (const [name, { value }] of [...shell.state.variables()].sort())
      if (value !== undefined) frame.io.stdout.write(`${name}='${value.replaceAll("'", "'\\''")}'\n`);
  return 0;
}

async function read(argv: readonly string[], frame: Frame, shell: RunningShell): Promise<number> {
  const names = argv.slice(1).filter((word) => !/^-[rs]+$/.test(word));
  if (names[0] === "-p") frame.io.stderr.write(names.splice(0, 2)[1] ?? "");
  const raw = argv.some((word) => /^-[a-z]*r/.test(word));
  if (names.some((name) => !NAME.test(name)))
    throw new ShellError(`read: ${names.find((name) => !NAME.test(name)) ?? ""}: bad variable name`);
  let line = await readLine(frame.io.stdin, frame.io.signal);
  let text = line?.text ?? "";
  while (!raw && line?.complete && /(^|[^\\])(\\\\)*\\$/.test(text)) {
    line = await readLine(frame.io.stdin, frame.io.signal);
    text = text.slice(0, -1) + (line?.text ?? "");
  }
  const separators = shell.state.get("IFS") ?? " \t\n";
  const blanks = [...separators].filter((char) => " \t\n".includes(char)).join("");
  const strip = (value: string): string => trimChars(value, blanks);
  let rest = names.length > 0 ? strip(text) : text;
  const targets = names.length > 0 ? names : ["REPLY"];
  targets.forEach((name, index) => {
    let at = index === targets.length - 1 ? -1 : [...rest].findIndex((char) => separators.includes(char));
    if (at < 0) at = rest.length;
    const value = rest.slice(0, at);
    rest = strip(blanks.includes(rest[at] ?? "x") ? rest.slice(at) : rest.slice(at + 1));
    shell.state.set(name, raw ? value : value.replace(/\\([\s\S])/g, "$1"));
  });
  return line?.complete ? 0 : 1;
}

function trimChars(text: string, chars: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && chars.includes(text.charAt(start))) start++;
  while (end > start && chars.includes(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

function cd(argv: readonly string[], frame: Frame, shell: RunningShell): number {
  const target = argv[1] === "-" ? (shell.state.get("OLDPWD") ?? "/") : (argv[1] ?? shell.state.get("HOME") ?? "/");
  const path = resolvePath(shell.state.cwd, target);
  if (!isFolder(frame.io.files, path)) {
    const reason = frame.io.files.read(path) === undefined ? "No such file or directory" : "Not a directory";
    return fail(frame.io, `${shell.state.name}: cd: can't cd to ${target}: ${reason}`, 2);
  }
  if (argv[1] === "-") frame.io.stdout.write(`${path}\n`);
  shell.state.set("OLDPWD", shell.state.cwd);
  shell.state.set("PWD", path);
  shell.state.cwd = path;
  return 0;
}

async function wait(argv: readonly string[], frame: Frame, shell: RunningShell): Promise<number> {
  const wanted = argv.slice(1);
  const jobs =
    wanted.length === 0
      ? shell.state.jobs
      : shell.state.jobs.filter((job) => wanted.includes(String(job.pid)) || wanted.includes(`%${shell.state.jobs.indexOf(job) + 1}`));
  const codes = await orTerminated(Promise.all(jobs.map((job) => job.done)), frame.io.signal);
  shell.state.jobs = shell.state.jobs.filter((job) => !jobs.includes(job));
  return wanted.length === 0 ? 0 : (codes.at(-1) ?? 127);
}

function type(argv: readonly string[], frame: Frame, shell: RunningShell): number {
  const quiet = argv[0] === "command";
  let status = 0;
  for (const name of argv.slice(1)) {
    const found = shell.state.functions.has(name)
      ? `${name} is a function`
      : builtins.has(name) || ASH_BUILTINS.has(name)
        ? `${name} is a shell builtin`
        : undefined;
    const program = findProgram(frame.io.programs, name);
    if (found) frame.io.stdout.write(`${quiet ? name : found}\n`);
    else if (program) frame.io.stdout.write(`${quiet ? "" : `${name} is `}${name.includes("/") ? name : `/bin/${name}`}\n`);
    else {
      if (!quiet) frame.io.stderr.write(`${name}: not found\n`);
      status = 127;
    }
  }
  return status;
}

async function command(argv: readonly string[], frame: Frame, shell: RunningShell): Promise<number> {
  if (argv[1] === "-v" || argv[1] === "-V") return type([argv[1] === "-v" ? "command" : "type", ...argv.slice(2)], frame, shell);
  const rest = argv.slice(1);
  const builtin = builtins.get(rest[0] ?? "");
  if (rest.length === 0) return 0;
  return builtin ? builtin(rest, frame, shell) : shell.program(rest, frame);
}

function kill(argv: readonly string[], frame: Frame, shell: RunningShell): Promise<number> | number {
  const targets = argv.slice(1).filter((word) => !word.startsWith("-"));
  const jobs = shell.state.jobs.filter(
    (job) => targets.includes(String(job.pid)) || targets.includes(`%${shell.state.jobs.indexOf(job) + 1}`),
  );
  if (jobs.length === 0 || jobs.length < targets.length) return shell.program(argv, frame);
  const written = argv[1]?.startsWith("-") ? argv[1].slice(1).replace(/^(?:SIG)?/, "SIG") : "SIGTERM";
  const name = Object.entries(SIGNAL_NUMBERS).find(([key, number]) => key === written || `SIG${number}` === written)?.[0];
  for (const job of jobs) job.stop.abort(new Terminated(name === "SIGKILL" || name === "SIGINT" ? name : "SIGTERM"));
  return 0;
}

async function evaluate(argv: readonly string[], frame: Frame, shell: RunningShell): Promise<number> {
  return shell.run(argv.slice(1).join(" "), frame);
}

async function source(argv: readonly string[], frame: Frame, shell: RunningShell): Promise<number> {
  const file = readFile(frame.io.files, resolvePath(shell.state.cwd, argv[1] ?? ""));
  if ("error" in file) throw new ShellError(`${argv[0] ?? ""}: can't open '${argv[1] ?? ""}': ${file.error}`);
  try {
    return await shell.run(file.text, frame);
  } catch (error) {
    if (error instanceof FunctionReturn) return error.code;
    throw error;
  }
}

async function exec(argv: readonly string[], frame: Frame, shell: RunningShell): Promise<number> {
  if (argv.length === 1) return 0;
  throw new ShellExit(await shell.program(argv.slice(1), frame));
}

function trap(argv: readonly string[], frame: Frame, shell: RunningShell): number {
  const [, action, ...names] = argv;
  if (action === undefined) {
    for (const [name, body] of shell.state.traps) frame.io.stdout.write(`trap -- '${body}' ${name}\n`);
    return 0;
  }
  for (const written of names.length > 0 ? names : [action]) {
    const number = Object.entries(SIGNAL_NUMBERS).find(([, value]) => String(value) === written)?.[0];
    const name = written === "0" ? "EXIT" : (number ?? written).replace(/^SIG/, "");
    if (action === "-" || names.length === 0) shell.state.traps.delete(name);
    else shell.state.traps.set(name, action);
  }
  return 0;
}

/** The shell's own commands by name. */
export const builtins: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  [":", () => 0],
  [".", source],
  ["source", source],
  ["cd", cd],
  ["command", command],
  ["eval", evaluate],
  ["exec", exec],
  ["kill", kill],
  ["read", read],
  ["set", setOptions],
  ["trap", trap],
  ["type", type],
  ["wait", wait],
  ["umask", (_argv, frame) => (frame.io.stdout.write("0022\n"), 0)],
  [
    "jobs",
    (_argv, frame, shell) => (
      shell.state.jobs.forEach((job, index) => void frame.io.stdout.write(`[${index + 1}]+  Running                    ${job.pid}\n`)),
      0
    ),
  ],
  ["export", (argv, frame, shell) => declare(argv, frame, shell, { exported: true })],
  ["readonly", (argv, frame, shell) => declare(argv, frame, shell, { readonly: true })],
  [
    "local",
    (argv, _frame, shell) => {
      for (const word of argv.slice(1)) {
        const [name = "", ...value] = word.split("=");
        shell.state.saveLocal(name);
        shell.state.set(name, word.includes("=") ? value.join("=") : "");
      }
      return 0;
    },
  ],
  [
    "unset",
    (argv, _frame, shell) => {
      const functions = argv[1] === "-f";
      for (const name of argv.slice(1).filter((word) => !/^-[fv]$/.test(word))) {
        if (functions) shell.state.functions.delete(name);
        else shell.state.unset(name);
      }
      return 0;
    },
  ],
  [
    "shift",
    (argv, _frame, shell) => {
      const by = count(argv[1], "shift", 1);
      if (by > shell.state.positional.length) return 1;
      shell.state.positional = shell.state.positional.slice(by);
      return 0;
    },
  ],
  [
    "exit",
    (argv, _frame, shell) => {
      throw new ShellExit(count(argv[1], "exit", shell.state.status));
    },
  ],
  [
    "return",
    (argv, _frame, shell) => {
      throw new FunctionReturn(count(argv[1], "return", shell.state.status));
    },
  ],
  [
    "break",
    (argv, _frame, shell) => {
      if (shell.state.loopDepth > 0) throw new LoopControl("break", count(argv[1], "break", 1));
      return 0;
    },
  ],
  [
    "continue",
    (argv, _frame, shell) => {
      if (shell.state.loopDepth > 0) throw new LoopControl("continue", count(argv[1], "continue", 1));
      return 0;
    },
  ],
]);
