// Shell script → syntax tree. Upstream: POSIX.1-2017 Shell Command Language, as busybox ash reads it.
// Leaves out aliases, `select`, arrays, process substitution and `coproc`: they are syntax errors or plain words as in ash.
import {
  ShellSyntaxError,
  type AndOr,
  type Assignment,
  type Command,
  type List,
  type Pipeline,
  type Redirection,
  type Word,
} from "./syntax.ts";
import { WordReader } from "./parse-word.ts";

type Simple = Extract<Command, { type: "simple" }>;

const RESERVED_ENDS = ["then", "else", "elif", "fi", "do", "done", "esac", "}"];
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Parses a whole script. Throws ShellSyntaxError. */
export function parseScript(source: string): List {
  const parser = new Parser(source);
  const list = parser.list([]);
  parser.expectEnd();
  return list;
}

class Parser extends WordReader {
  constructor(source: string, at = 0) {
    super(
      source,
      (text, from, end) => {
        const inner = new Parser(text, from);
        const body = inner.list(end === undefined ? [] : [end]);
        if (end === undefined) inner.expectEnd();
        else inner.expect(end);
        return { body, next: inner.at };
      },
      at,
    );
  }

  expectEnd(): void {
    this.skipSpace(true);
    if (this.at < this.source.length) throw this.unexpected();
  }

  /** Commands up to one of the words or operators in `ends`. */
  list(ends: readonly string[]): List {
    const items: AndOr[] = [];
    for (;;) {
      this.skipSpace(true);
      if (this.at >= this.source.length || this.atEnd(ends)) return items;
      const item = this.andOr();
      this.skipSpace(false);
      const separator = this.source[this.at];
      if (separator === "&" && this.source[this.at + 1] !== "&") {
        this.at++;
        items.push({ ...item, background: true });
        continue;
      }
      items.push(item);
      if (separator === ";" && this.source[this.at + 1] !== ";") this.at++;
      else if (separator === "\n") this.newline();
      else {
        if (this.at < this.source.length && !this.atEnd(ends)) throw this.unexpected();
        return items;
      }
    }
  }

  private atEnd(ends: readonly string[]): boolean {
    return ends.some((end) => (/^[a-z}]/.test(end) ? this.peekWord() === end : this.source.startsWith(end, this.at)));
  }

  private andOr(): AndOr {
    const steps: { operator: ";" | "&&" | "||"; pipeline: Pipeline }[] = [{ operator: ";", pipeline: this.pipeline() }];
    for (;;) {
      this.skipSpace(false);
      const operator = this.source.slice(this.at, this.at + 2);
      if (operator !== "&&" && operator !== "||") return { steps, background: false };
      this.at += 2;
      this.skipSpace(true);
      steps.push({ operator, pipeline: this.pipeline() });
    }
  }

  private pipeline(): Pipeline {
    let negated = false;
    while (this.peekWord() === "!") {
      this.at++;
      negated = !negated;
      this.skipSpace(false);
    }
    const commands = [this.command()];
    for (;;) {
      this.skipSpace(false);
      if (this.source[this.at] !== "|" || this.source[this.at + 1] === "|") return { negated, commands };
      this.at++;
      this.skipSpace(true);
      commands.push(this.command());
    }
  }

  private command(): Command {
    this.skipSpace(false);
    const word = this.peekWord();
    switch (word) {
      case "if":
        return this.ifCommand();
      case "while":
      case "until":
        return this.whileCommand(word);
      case "for":
        return this.forCommand();
      case "case":
        return this.caseCommand();
      case "{": {
        this.at++;
        const body = this.body(["}"]);
        return { type: "group", body, subshell: false, redirections: this.redirections() };
      }
      case "function": {
        this.at += word.length;
        this.skipSpace(false);
        return this.functionCommand(this.takeName());
      }
      default:
        if (RESERVED_ENDS.includes(word)) throw this.unexpected();
        if (this.source[this.at] === "(") {
          this.at++;
          const body = this.list([")"]);
          this.expect(")");
          return { type: "group", body, subshell: true, redirections: this.redirections() };
        }
        return this.simple();
    }
  }

  private functionCommand(name: string): Command {
    this.skipSpace(false);
    if (this.source[this.at] === "(") {
      this.at++;
      this.skipSpace(false);
      this.expect(")");
    }
    this.skipSpace(true);
    return { type: "function", name, body: this.command() };
  }

  /** A list that must not be empty, and the word that ends it. */
  private body(ends: readonly string[]): List {
    const list = this.list(ends);
    if (list.length === 0) throw this.unexpected();
    if (ends.length === 1) this.expectWord(ends[0] ?? "");
    return list;
  }

  private ifCommand(): Command {
    const branches: { condition: List; body: List }[] = [];
    let otherwise: List | undefined;
    this.expectWord("if");
    for (;;) {
      const condition = this.body(["then"]);
      const body = this.body(["elif", "else", "fi"]);
      branches.push({ condition, body });
      const word = this.peekWord();
      this.at += word.length;
      if (word === "elif") continue;
      if (word === "else") otherwise = this.body(["fi"]);
      else if (word !== "fi") throw this.unexpected();
      return { type: "if", branches, ...(otherwise ? { otherwise } : {}), redirections: this.redirections() };
    }
  }

  private whileCommand(word: "while" | "until"): Command {
    this.at += word.length;
    const condition = this.body(["do"]);
    const body = this.body(["done"]);
    return { type: "while", until: word === "until", condition, body, redirections: this.redirections() };
  }

  private forCommand(): Command {
    this.at += 3;
    this.skipSpace(false);
    const name = this.takeName();
    this.skipSpace(true);
    let words: Word[] | undefined;
    if (this.peekWord() === "in") {
      this.at += 2;
      words = [];
      for (;;) {
        this.skipSpace(false);
        const word = this.word();
        if (!word) break;
        words.push(word);
      }
    }
    if (this.source[this.at] === ";") this.at++;
    this.skipSpace(true);
    this.expectWord("do");
    const body = this.body(["done"]);
    return { type: "for", name, ...(words ? { words } : {}), body, redirections: this.redirections() };
  }

  private caseCommand(): Command {
    this.at += 4;
    this.skipSpace(false);
    const subject = this.word();
    if (!subject) throw this.unexpected();
    this.skipSpace(true);
    this.expectWord("in");
    const clauses: { patterns: Word[]; body: List }[] = [];
    for (;;) {
      this.skipSpace(true);
      if (this.peekWord() === "esac") break;
      if (this.source[this.at] === "(") this.at++;
      const patterns: Word[] = [];
      do {
        if (patterns.length > 0) this.at++;
        this.skipSpace(false);
        const pattern = this.word();
        if (!pattern) throw this.unexpected();
        patterns.push(pattern);
        this.skipSpace(false);
      } while (this.source[this.at] === "|");
      this.expect(")");
      clauses.push({ patterns, body: this.list([";;", "esac"]) });
      if (this.source.startsWith(";;", this.at)) this.at += 2;
    }
    this.expectWord("esac");
    return { type: "case", subject, clauses, redirections: this.redirections() };
  }

  private simple(): Simple | Extract<Command, { type: "function" }> {
    const assignments: Assignment[] = [];
    const words: Word[] = [];
    const redirections: Redirection[] = [];
    for (;;) {
      this.skipSpace(false);
      const redirection = this.redirection();
      if (redirection) {
        redirections.push(redirection);
        continue;
      }
      const assigned = words.length === 0 ? /^([A-Za-z_][A-Za-z0-9_]*)=/.exec(this.source.slice(this.at, this.at + 200)) : null;
      if (assigned?.[1]) {
        this.at += assigned[0].length;
        assignments.push({ name: assigned[1], value: this.word() ?? [] });
        continue;
      }
      const start = this.at;
      const word = this.word();
      if (!word) break;
      const text = this.source.slice(start, this.at);
      if (
        words.length === 0 &&
        NAME.test(text.replaceAll("-", "_")) &&
        /^[ \t]*\([ \t]*\)/.test(this.source.slice(this.at, this.at + 40))
      ) {
        const command = this.functionCommand(text);
        if (command.type === "function") return command;
      }
      words.push(word);
    }
    if (assignments.length + words.length + redirections.length === 0) throw this.unexpected();
    return { type: "simple", assignments, words, redirections };
  }

  private redirections(): readonly Redirection[] {
    const out: Redirection[] = [];
    for (;;) {
      this.skipSpace(false);
      const redirection = this.redirection();
      if (!redirection) return out;
      out.push(redirection);
    }
  }

  private redirection(): Redirection | undefined {
    const match = /^(\d?)(<<<|<<-|<<|<&|>>|>&|>\||&>|<|>)/.exec(this.source.slice(this.at, this.at + 4));
    if (!match) return undefined;
    const written = match[2] ?? "";
    this.at += match[0].length;
    this.skipSpace(false);
    const fd = match[1] ? Number(match[1]) : written.startsWith("<") ? 0 : 1;
    if (written === "<<" || written === "<<-") return { fd, operator: "<<", target: this.hereDocument(written === "<<-") };
    const target = this.word();
    if (!target) throw this.unexpected();
    if (
      written === "<" ||
      written === ">" ||
      written === ">>" ||
      written === ">&" ||
      written === "<&" ||
      written === "<<<" ||
      written === "&>"
    ) {
      return { fd, operator: written, target };
    }
    return { fd, operator: ">", target };
  }

  private takeName(): string {
    const match = /^[A-Za-z_][A-Za-z0-9_-]*/.exec(this.source.slice(this.at, this.at + 200));
    if (!match) throw this.unexpected();
    this.at += match[0].length;
    return match[0];
  }

  private expect(text: string): void {
    this.skipSpace(true);
    if (!this.source.startsWith(text, this.at)) throw this.unexpected(text);
    this.at += text.length;
  }

  private expectWord(word: string): void {
    this.skipSpace(true);
    if (this.peekWord() !== word) throw this.unexpected(word);
    this.at += word.length;
  }

  private unexpected(wanted?: string): ShellSyntaxError {
    const expecting = wanted === undefined ? "" : ` (expecting "${wanted}")`;
    if (this.at >= this.source.length) return new ShellSyntaxError(`syntax error: unexpected end of file${expecting}`, true);
    const token = /^(&&|\|\||;;|[;&|()<>\n]|[^\s;&|()<>]+)/.exec(this.source.slice(this.at, this.at + 60))?.[0] ?? "";
    return new ShellSyntaxError(`syntax error: unexpected ${token === "\n" ? "newline" : `"${token}"`}${expecting}`);
  }
}
