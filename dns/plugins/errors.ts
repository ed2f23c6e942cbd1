// errors: writes a line for each query that nobody could answer; those of one pattern can be put together into one line a period.
// Upstream: CoreDNS plugin/errors. `stacktrace` is read and has no effect.
import type { Timer } from "../../model/clock.ts";
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import { questionText, RCODES, then } from "../message.ts";
import { argumentError, durationArgument, durationText } from "../plugin.ts";
import type { PluginEnv, PluginType } from "../plugin.ts";
import { compilePattern } from "../rewrite/rule.ts";

const LEVELS: ReadonlySet<string> = new Set(["warning", "error", "info", "debug"]);

export const errorsPlugin: PluginType = {
  name: "errors",
  setup(stanza, env) {
    if (stanza.args.length > 1) argumentError(stanza);
    const [file] = stanza.args;
    if (file && file.text !== "stdout") throw new CorefileError(`invalid log file: ${file.text}`, file);
    const patterns = stanza.body.flatMap((line) => {
      if (line.name.text === "stacktrace") return [];
      if (line.name.text !== "consolidate") throw new CorefileError(`Unknown field ${line.name.text}`, line.name);
      return [new Consolidated(line, env)];
    });
    return {
      name: "errors",
      close: () => patterns.forEach((pattern) => pattern.close()),
      serve: (query, next) =>
        then(next(query), (reply) => {
          if (reply.failure === undefined) return reply;
          const { failure } = reply;
          const pattern = patterns.find((candidate) => candidate.matches(failure));
          if (!pattern?.take()) {
            const level = pattern?.level ?? "error";
            const { name, ...asked } = reply.asked ?? query.question;
            const question = questionText({ ...asked, name: name.toLowerCase() });
            if (level !== "debug" || env.debug)
              env.log(`[${level.toUpperCase()}] plugin/errors: ${RCODES[reply.returned ?? reply.rcode]} ${question}: ${failure}`);
          }
          return reply;
        }),
    };
  },
};

/** `consolidate DURATION REGEXP [LEVEL] [show_first]`. */
class Consolidated {
  readonly level: string;
  readonly #env: PluginEnv;
  readonly #periodMs: number;
  readonly #period: string;
  readonly #text: string;
  readonly #pattern: RegExp;
  readonly #showsFirst: boolean;
  #count = 0;
  #timer: Timer | undefined;

  constructor(line: Directive, env: PluginEnv) {
    const [period, pattern, ...options] = line.args;
    if (!period || !pattern || options.length > 2) argumentError(line);
    this.#env = env;
    this.#periodMs = durationArgument(period, line);
    this.#period = durationText(this.#periodMs);
    this.#text = pattern.text;
    this.#pattern = compilePattern(pattern.text, pattern);
    const words = options.map((option) => option.text);
    for (const option of options) {
      if (!LEVELS.has(option.text) && option.text !== "show_first")
        throw new CorefileError(`unknown option in consolidate: ${option.text}`, option);
    }
    const levels = words.filter((word) => LEVELS.has(word));
    if (levels.length > 1) throw new CorefileError("multiple log levels specified in consolidate", options[1] ?? line.name);
    if (words[0] === "show_first" && levels.length > 0)
      throw new CorefileError("log level must come before show_first in consolidate", options[1] ?? line.name);
    this.level = levels[0] ?? "error";
    this.#showsFirst = words.includes("show_first");
  }
  matches(failure: string): boolean {
    return this.#pattern.test(failure);
  }
  /** Counts one; false when this one is to be written now. */
  take(): boolean {
    if (++this.#count > 1) return true;
    this.#timer = this.#env.clock.after(this.#periodMs, () => this.#write(), { background: true });
    return !this.#showsFirst;
  }
  #write(): void {
    const count = this.#count;
    this.#count = 0;
    this.#timer = undefined;
    if (count === 0 || (count === 1 && this.#showsFirst) || (this.level === "debug" && !this.#env.debug)) return;
    this.#env.log(`[${this.level.toUpperCase()}] plugin/errors: ${count} errors like '${this.#text}' occurred in last ${this.#period}`);
  }
  /** Writes what has been counted so far. */
  close(): void {
    this.#timer?.cancel();
    if (this.#timer) this.#write();
  }
}
