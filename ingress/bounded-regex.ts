// Regular expressions of Ingress paths and annotations, with a bound on their time: nginx's PCRE gives up after its match limit, so do we.
// PCRE's dialect is taken as JavaScript's; what does not compile there is reported where it stands.
import { createContext, Script, type Context } from "node:vm";

/** Longer than any honest match takes; the event loop must not be held. */
const LIMIT_MS = 20;
/** Above this many characters a pattern with several unbounded repeats is watched. */
const WATCHED_LENGTH = 256;

/** Thrown when the time is up: nginx answers 500 then. */
export class RegexTimeout extends Error {
  override readonly name = "RegexTimeout";
}

interface WatchedContext extends Context {
  regex?: RegExp;
  text?: string;
}

const script = new Script("regex.exec(text)");
let watched: WatchedContext | undefined;

export class BoundedRegex {
  readonly source: string;
  readonly #regex: RegExp;
  readonly #nested: boolean;
  readonly #repeats: number;

  /** Throws SyntaxError for what is no regular expression. `flags`: "" or "i". */
  constructor(source: string, flags = "") {
    this.source = source;
    const inline = /^\(\?([a-z]+)\)/.exec(source);
    const letters = `${flags}${inline?.[1] ?? ""}`;
    const given = "is".split("").filter((flag) => letters.includes(flag));
    this.#regex = new RegExp(toJavaScript(inline ? source.slice(inline[0].length) : source, given.includes("s")), given.join(""));
    this.#nested = /\((?:[^()\\]|\\.)*(?:[*+|]|\{\d+,)(?:[^()\\]|\\.)*\)(?:[*+]|\{\d+,)/s.test(source) || /\)[*+]\)*[*+{]/.test(source);
    this.#repeats = source.match(/(?<!\\)(?:[*+]|\{\d+,\})/g)?.length ?? 0;
  }
  exec(text: string): RegExpExecArray | null {
    if (!this.#nested && (this.#repeats < 3 || text.length < WATCHED_LENGTH)) return this.#regex.exec(text);
    watched ??= createContext({});
    watched.regex = this.#regex;
    watched.text = text;
    try {
      const found: RegExpExecArray | null = script.runInContext(watched, { timeout: LIMIT_MS });
      return found;
    } catch {
      throw new RegexTimeout(`"${this.source}" took longer than ${LIMIT_MS} ms`);
    }
  }
  test(text: string): boolean {
    return this.exec(text) !== null;
  }
}

/** PCRE's dialect: spellings that JavaScript lacks, and lines that end in a line feed alone. */
function toJavaScript(source: string, dotAll: boolean): string {
  return source
    .replace(/\(\?P?<([A-Za-z_]\w*)>/g, "(?<$1>")
    .replace(/\[\[:(\^?)(\w+):\]\]/g, (whole, not: string, name: string) => posixClass(name, not === "^") ?? whole)
    .replace(/\[:(\w+):\]/g, (whole, name: string) => POSIX[name] ?? whole)
    .replace(/([*+?}])\+/g, "$1")
    .replace(/\\[^]|\[(?:\\[^]|[^\]\\])*\]|[.$]/g, (token) => (token === "." && dotAll ? token : (LINES[token] ?? token)));
}

/** What knows of ends of lines. `$` is before a last line feed, too. */
const LINES: Readonly<Record<string, string>> = { ".": "[^\n]", $: "(?=\n?$)", "\\A": "^", "\\Z": "(?=\n?$)", "\\z": "$" };

const POSIX: Readonly<Record<string, string>> = {
  alnum: "A-Za-z0-9",
  alpha: "A-Za-z",
  digit: "0-9",
  lower: "a-z",
  upper: "A-Z",
  space: "\\s",
  word: "\\w",
  xdigit: "A-Fa-f0-9",
  punct: "!-\\/:-@\\[-`{-~",
};

function posixClass(name: string, negated: boolean): string | undefined {
  const inside = POSIX[name];
  return inside === undefined ? undefined : `[${negated ? "^" : ""}${inside}]`;
}
