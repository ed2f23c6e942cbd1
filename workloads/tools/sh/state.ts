// What a shell remembers: variables, functions, positional parameters, options, traps and background jobs.
import type { ToolIo } from "../tool.ts";
import type { Command } from "./syntax.ts";

/** Where commands read and write; `exec > file` changes it for all that follow. */
export interface Frame {
  io: ToolIo;
}

/** A shell as its builtins see it. */
export interface RunningShell {
  readonly state: ShellState;
  /** Parses and runs a script; a syntax error is told and is status 2. */
  run(source: string, frame: Frame): Promise<number>;
  /** Runs a program, past functions and builtins. */
  program(argv: readonly string[], frame: Frame): Promise<number>;
}

interface Variable {
  readonly value: string | undefined;
  readonly exported: boolean;
  readonly readonly: boolean;
}

/** A background command. */
export interface Job {
  readonly pid: number;
  readonly done: Promise<number>;
  readonly stop: AbortController;
}

/** `exit`: ends the shell (or the subshell). */
export class ShellExit extends Error {
  override readonly name = "ShellExit";
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code & 255;
  }
}

/** `break` and `continue`, for the `levels`-th loop outwards. */
export class LoopControl extends Error {
  override readonly name = "LoopControl";
  readonly kind: "break" | "continue";
  readonly levels: number;
  constructor(kind: "break" | "continue", levels: number) {
    super(kind);
    this.kind = kind;
    this.levels = levels;
  }
}

/** `return` from a function or a sourced file. */
export class FunctionReturn extends Error {
  override readonly name = "FunctionReturn";
  readonly code: number;
  constructor(code: number) {
    super(`return ${code}`);
    this.code = code & 255;
  }
}

/** An error that ends a script, told as `sh: message`. */
export class ShellError extends Error {
  override readonly name = "ShellError";
  readonly code: number;
  constructor(message: string, code = 2) {
    super(message);
    this.code = code;
  }
}

/** The state of one shell process; `fork` copies it for a subshell. */
export class ShellState {
  readonly functions: Map<string, Command>;
  readonly traps: Map<string, string>;
  readonly options: Set<string>;
  readonly pid: number;
  name = "sh";
  positional: readonly string[] = [];
  cwd: string;
  status = 0;
  lastBackground = "";
  jobs: Job[] = [];
  loopDepth = 0;
  callDepth = 0;
  /** Above zero where a failure is being tested, so that `set -e` does not act. */
  conditionDepth = 0;
  interactive = false;
  /** Variables saved by `local`, innermost function last. */
  locals: Map<string, Variable | undefined>[] = [];
  readonly #variables: Map<string, Variable>;

  constructor(cwd: string, pid: number, from?: ShellState) {
    this.cwd = cwd;
    this.pid = pid;
    this.functions = new Map(from?.functions);
    this.traps = new Map();
    this.options = new Set(from?.options);
    this.#variables = new Map(from?.variables());
  }

  fork(): ShellState {
    const copy = new ShellState(this.cwd, this.pid, this);
    copy.name = this.name;
    copy.positional = this.positional;
    copy.status = this.status;
    copy.lastBackground = this.lastBackground;
    copy.callDepth = this.callDepth;
    copy.conditionDepth = this.conditionDepth;
    return copy;
  }
  variables(): ReadonlyMap<string, Variable> {
    return this.#variables;
  }
  get(name: string): string | undefined {
    return this.#variables.get(name)?.value;
  }
  /** Sets a variable, keeping its export mark. Throws ShellError when it is read-only. */
  set(name: string, value: string | undefined, marks: { readonly exported?: boolean; readonly readonly?: boolean } = {}): void {
    const old = this.#variables.get(name);
    if (old?.readonly && value !== undefined && value !== old.value) throw new ShellError(`${name}: is read only`);
    this.#variables.set(name, {
      value: value ?? old?.value,
      exported: marks.exported ?? old?.exported ?? this.options.has("a"),
      readonly: marks.readonly ?? old?.readonly ?? false,
    });
  }
  unset(name: string): void {
    if (this.#variables.get(name)?.readonly) throw new ShellError(`${name}: is read only`);
    this.#variables.delete(name);
  }
  /** Remembers a variable until the function returns. */
  saveLocal(name: string): void {
    const frame = this.locals.at(-1);
    if (!frame) throw new ShellError("local: not in a function");
    if (!frame.has(name)) frame.set(name, this.#variables.get(name));
  }
  restoreLocals(): void {
    for (const [name, variable] of this.locals.pop() ?? []) {
      if (variable) this.#variables.set(name, variable);
      else this.#variables.delete(name);
    }
  }
  /** Exported variables, for a program's environment. */
  environment(): Record<string, string> {
    const out: Record<string, string> = {};
    for (const [name, { value, exported }] of this.#variables) if (exported && value !== undefined) out[name] = value;
    return out;
  }
}
