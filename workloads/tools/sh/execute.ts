// Runs syntax trees: lists, pipelines, compound commands, functions, builtins and programs. Upstream: busybox ash, POSIX.1-2017 2.9.
import type { PodFiles } from "../../../model/ports.ts";
import { nextTurn } from "../../../model/clock.ts";
import { findProgram } from "../run-tool.ts";
import { isFolder, resolvePath } from "../file-tree.ts";
import { sinkStream } from "../streams.ts";
import { orTerminated, Terminated, terminationOf, throwIfTerminated, type ToolIo } from "../tool.ts";
import { builtins } from "./builtins.ts";
import { expandPieces, expandText, expandWords, type Expander } from "./expand.ts";
import { parseScript } from "./parse.ts";
import { matchesPattern } from "./pattern.ts";
import { createPipe, redirect } from "./redirect.ts";
import { FunctionReturn, LoopControl, ShellError, ShellExit, type Frame, type RunningShell, type ShellState } from "./state.ts";
import { ShellSyntaxError, type AndOr, type Command, type List, type Pipeline, type Redirection } from "./syntax.ts";

/** A running shell. */
export class Shell implements RunningShell {
  readonly state: ShellState;
  constructor(state: ShellState) {
    this.state = state;
  }

  /** Parses and runs a script; a syntax error is told and is status 2. */
  async run(source: string, frame: Frame): Promise<number> {
    let list: List;
    try {
      list = parseScript(source);
    } catch (error) {
      if (!(error instanceof ShellSyntaxError)) throw error;
      frame.io.stderr.write(`${this.state.name}: ${error.message}\n`);
      return (this.state.status = 2);
    }
    return this.list(list, frame);
  }

  /** Runs a body as a process of its own would: `exit` and fatal errors end it, and become its status. */
  async process(body: () => Promise<number>, frame: Frame): Promise<number> {
    try {
      return await body();
    } catch (error) {
      if (error instanceof ShellExit) return error.code;
      if (error instanceof FunctionReturn) return error.code;
      if (error instanceof LoopControl) return 0;
      if (error instanceof Terminated) return error.exitCode;
      if (!(error instanceof ShellError)) throw error;
      frame.io.stderr.write(`${this.state.name}: ${error.message}\n`);
      return error.code;
    }
  }

  async list(list: List, frame: Frame): Promise<number> {
    for (const item of list) {
      throwIfTerminated(frame.io.signal);
      this.state.status = item.background ? this.#background(item, frame) : await this.#andOr(item, frame);
    }
    return this.state.status;
  }

  expander(frame: Frame): Expander {
    const files: PodFiles = frame.io.files;
    return { state: this.state, files, substitute: (body) => this.#substitute(body, frame) };
  }

  async #substitute(body: List, frame: Frame): Promise<string> {
    const parts: Buffer[] = [];
    const inner: Frame = { io: { ...frame.io, stdout: sinkStream((chunk) => void parts.push(chunk)), tty: false } };
    const child = new Shell(this.state.fork());
    this.state.status = await child.process(() => child.list(body, inner), inner);
    throwIfTerminated(frame.io.signal);
    return Buffer.concat(parts).toString().replace(/\n+$/, "").replaceAll("\0", "");
  }

  #background(item: AndOr, frame: Frame): number {
    const stop = linkedAbort(frame.io.signal);
    const child = new Shell(this.state.fork());
    const inner: Frame = { io: { ...frame.io, stdin: undefined, tty: false, signal: stop.controller.signal } };
    const done = child.process(() => child.#andOr(item, inner), inner).finally(stop.release);
    done.catch(() => {});
    const pid = this.state.pid + 1 + frame.io.context.random.int(400);
    this.state.jobs.push({ pid, done, stop: stop.controller });
    this.state.lastBackground = String(pid);
    if (this.state.interactive) frame.io.stderr.write(`[${this.state.jobs.length}] ${pid}\n`);
    return 0;
  }

  async #andOr(item: AndOr, frame: Frame): Promise<number> {
    for (const [index, { operator, pipeline }] of item.steps.entries()) {
      if (operator === "&&" && this.state.status !== 0) continue;
      if (operator === "||" && this.state.status === 0) continue;
      const last = index === item.steps.length - 1;
      if (!last || pipeline.negated) this.state.conditionDepth++;
      try {
        this.state.status = await this.#pipeline(pipeline, frame);
      } finally {
        if (!last || pipeline.negated) this.state.conditionDepth--;
      }
      if (last && !pipeline.negated && this.state.status !== 0 && this.state.options.has("e") && this.state.conditionDepth === 0) {
        throw new ShellExit(this.state.status);
      }
    }
    return this.state.status;
  }

  async #pipeline({ commands, negated }: Pipeline, frame: Frame): Promise<number> {
    const [only] = commands;
    let status: number;
    if (commands.length === 1 && only) status = await this.command(only, frame);
    else status = await this.#pipes(commands, frame);
    return negated ? Number(status === 0) : status;
  }

  async #pipes(commands: readonly Command[], frame: Frame): Promise<number> {
    const stops = commands.map(() => linkedAbort(frame.io.signal));
    const pipes = commands.slice(1).map((_command, index) => createPipe(() => stops[index]?.controller.abort(new Terminated("SIGPIPE"))));
    const running = commands.map(async (command, index) => {
      const before = pipes[index - 1];
      const after = pipes[index];
      const io: ToolIo = {
        ...frame.io,
        signal: stops[index]?.controller.signal ?? frame.io.signal,
        ...(before ? { stdin: before.output } : {}),
        ...(after ? { stdout: after.input } : {}),
        tty: false,
      };
      const child = new Shell(this.state.fork());
      const inner: Frame = { io };
      try {
        return await child.process(() => child.command(command, inner), inner);
      } finally {
        after?.input.end();
        before?.closeReader();
        stops[index]?.release();
      }
    });
    const codes = await Promise.all(running);
    throwIfTerminated(frame.io.signal);
    const failed = this.state.options.has("pipefail") ? codes.findLast((code) => code !== 0) : undefined;
    return failed ?? codes.at(-1) ?? 0;
  }

  async command(command: Command, frame: Frame): Promise<number> {
    if (command.type === "function") {
      this.state.functions.set(command.name, command.body);
      return 0;
    }
    if (command.type === "simple") return this.#simple(command, frame);
    const inner = await this.#redirected(command.redirections, frame);
    if (!inner) return 1;
    switch (command.type) {
      case "group": {
        if (!command.subshell) return this.list(command.body, inner);
        const child = new Shell(this.state.fork());
        const own: Frame = { io: inner.io };
        const status = await child.process(() => child.list(command.body, own), own);
        throwIfTerminated(frame.io.signal);
        return status;
      }
      case "if":
        for (const { condition, body } of command.branches) if (await this.#holds(condition, inner)) return this.list(body, inner);
        return command.otherwise ? this.list(command.otherwise, inner) : 0;
      case "while":
        return this.#loop(async () => (await this.#holds(command.condition, inner)) !== command.until, command.body, inner);
      case "for": {
        const words = command.words ? await expandWords(command.words, this.expander(inner)) : this.state.positional;
        const values = words[Symbol.iterator]();
        const advance = async (): Promise<boolean> => {
          const next = values.next();
          if (!next.done) this.state.set(command.name, next.value);
          return !next.done;
        };
        return this.#loop(advance, command.body, inner);
      }
      case "case": {
        const subject = await expandText(command.subject, this.expander(inner));
        for (const { patterns, body } of command.clauses) {
          for (const pattern of patterns) {
            if (matchesPattern(subject, await expandPieces(pattern, this.expander(inner))))
              return this.list(body, inner).then(() => (body.length > 0 ? this.state.status : 0));
          }
        }
        return 0;
      }
    }
  }

  async #holds(condition: List, frame: Frame): Promise<boolean> {
    this.state.conditionDepth++;
    try {
      return (await this.list(condition, frame)) === 0;
    } finally {
      this.state.conditionDepth--;
    }
  }

  async #loop(advance: () => Promise<boolean>, body: List, frame: Frame): Promise<number> {
    let status = 0;
    this.state.loopDepth++;
    try {
      for (;;) {
        await nextTurn();
        throwIfTerminated(frame.io.signal);
        try {
          if (!(await advance())) return status;
          status = await this.list(body, frame);
        } catch (error) {
          if (!(error instanceof LoopControl)) throw error;
          if (error.levels > 1 && this.state.loopDepth > 1) throw new LoopControl(error.kind, error.levels - 1);
          status = 0;
          if (error.kind === "break") return 0;
        }
      }
    } finally {
      this.state.loopDepth--;
    }
  }

  /** A frame with the redirections, or undefined after telling why there is none. */
  async #redirected(redirections: readonly Redirection[], frame: Frame): Promise<Frame | undefined> {
    if (redirections.length === 0) return frame;
    try {
      return { io: await redirect(frame.io, redirections, this.expander(frame)) };
    } catch (error) {
      if (!(error instanceof ShellError) || error.code !== 1) throw error;
      frame.io.stderr.write(`${this.state.name}: ${error.message}\n`);
      return undefined;
    }
  }

  async #simple(command: Extract<Command, { type: "simple" }>, frame: Frame): Promise<number> {
    this.state.status = command.words.length > 0 ? this.state.status : 0;
    const expander = this.expander(frame);
    const argv = await expandWords(command.words, expander);
    const assigned: [string, string][] = [];
    for (const { name, value } of command.assignments) {
      const text = await expandText(value, expander);
      assigned.push([name, text]);
      if (argv.length === 0) this.state.set(name, text);
    }
    if (this.state.options.has("x")) {
      frame.io.stderr.write(`+ ${[...assigned.map(([name, value]) => `${name}=${traced(value)}`), ...argv.map(traced)].join(" ")}\n`);
    }
    const status = this.state.status;
    const inner = await this.#redirected(command.redirections, frame);
    if (!inner) return 1;
    const [name] = argv;
    if (name === undefined) return status;
    const body = this.state.functions.get(name);
    const builtin = builtins.get(name);
    if (body || builtin) {
      const before = assigned.map(([key]) => [key, this.state.variables().get(key)] as const);
      for (const [key, value] of assigned) this.state.set(key, value);
      if (name === "exec" && argv.length === 1) frame.io = inner.io;
      try {
        return body ? await this.#call(body, argv, inner) : builtin ? await builtin(argv, inner, this) : 0;
      } finally {
        for (const [key, variable] of before) {
          if (variable) this.state.set(key, variable.value, variable);
          else this.state.unset(key);
        }
      }
    }
    return this.program(argv, inner, Object.fromEntries(assigned));
  }

  async #call(body: Command, argv: readonly string[], frame: Frame): Promise<number> {
    if (this.state.callDepth >= 500) throw new ShellError(`${argv[0] ?? ""}: function nesting is too deep`);
    const { positional } = this.state;
    this.state.positional = argv.slice(1);
    this.state.callDepth++;
    this.state.locals.push(new Map());
    try {
      await nextTurn();
      return await this.command(body, frame);
    } catch (error) {
      if (error instanceof FunctionReturn) return error.code;
      throw error;
    } finally {
      this.state.restoreLocals();
      this.state.callDepth--;
      this.state.positional = positional;
    }
  }

  /** Runs a program by name or path: 127 when there is none. */
  async program(argv: readonly string[], frame: Frame, extra: Readonly<Record<string, string>> = {}): Promise<number> {
    const name = argv[0] ?? "";
    const tool = findProgram(frame.io.programs, name);
    const io: ToolIo = { ...frame.io, cwd: this.state.cwd, env: { ...this.state.environment(), ...extra } };
    if (tool) return orTerminated(tool(argv, io), io.signal);
    const path = resolvePath(this.state.cwd, name);
    const script = name.includes("/") ? frame.io.files.read(path) : undefined;
    if (script !== undefined) {
      const child = new Shell(this.state.fork());
      child.state.name = name;
      child.state.positional = argv.slice(1);
      return child.process(() => child.run(script, { io }), { io });
    }
    const reason = name.includes("/") && isFolder(frame.io.files, path) ? "Permission denied" : "not found";
    frame.io.stderr.write(`${this.state.name}: ${name}: ${reason}\n`);
    return reason === "not found" ? 127 : 126;
  }
}

/** A controller that aborts with `signal`. */
export function linkedAbort(signal: AbortSignal): { readonly controller: AbortController; release(): void } {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(terminationOf(signal));
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return { controller, release: () => signal.removeEventListener("abort", onAbort) };
}

function traced(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
