// The word level of the shell's grammar: quoting, $ expansions, blanks, comments and here-documents.
import { ShellSyntaxError, type List, type Word, type WordPart } from "./syntax.ts";

const WORD_END = new Set([" ", "\t", "\n", ";", "&", "|", "(", ")", "<", ">"]);

/** Parses commands from `at` up to the end, or up to and past `end`; `next` is where it stopped. */
export type ParseNested = (source: string, at: number, end: ")" | undefined) => { readonly body: List; readonly next: number };

/** A cursor over script text that reads words; the parser of commands extends it. */
export class WordReader {
  protected readonly source: string;
  protected at: number;
  readonly #parse: ParseNested;
  #hereDocuments: { readonly delimiter: string; readonly stripTabs: boolean; readonly quoted: boolean; readonly parts: WordPart[] }[] = [];

  constructor(source: string, parse: ParseNested, at = 0) {
    this.source = source;
    this.#parse = parse;
    this.at = at;
  }

  /** Passes blanks and comments, and newlines too when asked. */
  protected skipSpace(newlines: boolean): void {
    for (;;) {
      const char = this.source[this.at];
      if (char === " " || char === "\t" || char === "\r") this.at++;
      else if (char === "\\" && this.source[this.at + 1] === "\n") this.at += 2;
      else if (char === "#") while (this.at < this.source.length && this.source[this.at] !== "\n") this.at++;
      else if (char === "\n" && newlines) this.newline();
      else return;
    }
  }

  /** Passes a newline and reads the here-documents that begin after it. */
  protected newline(): void {
    this.at++;
    const waiting = this.#hereDocuments;
    this.#hereDocuments = [];
    for (const document of waiting) {
      let body = "";
      for (;;) {
        if (this.at >= this.source.length)
          throw new ShellSyntaxError(`syntax error: unexpected end of file (expecting "${document.delimiter}")`, true);
        const end = this.source.indexOf("\n", this.at);
        const raw = this.source.slice(this.at, end < 0 ? undefined : end);
        this.at = end < 0 ? this.source.length : end + 1;
        const line = document.stripTabs ? raw.replace(/^\t+/, "") : raw;
        if (line === document.delimiter) break;
        body += `${line}\n`;
      }
      if (document.quoted) document.parts.push({ type: "text", text: body, quoted: true });
      else document.parts.push(...new WordReader(body, this.#parse).quotedParts(undefined));
    }
  }

  /** Registers a here-document whose body follows the line; its word is filled then. */
  protected hereDocument(stripTabs: boolean): Word {
    const start = this.at;
    const word = this.word();
    if (!word) throw new ShellSyntaxError("syntax error: unexpected newline");
    const delimiter = word.map((part) => (part.type === "text" ? part.text : "")).join("");
    const quoted = /['"\\]/.test(this.source.slice(start, this.at));
    const parts: WordPart[] = [];
    this.#hereDocuments.push({ delimiter, stripTabs, quoted, parts });
    return parts;
  }

  /** The unquoted text of the word ahead, without passing it. */
  protected peekWord(): string {
    return /^[^\s;&|()<>]*/.exec(this.source.slice(this.at, this.at + 64))?.[0] ?? "";
  }

  /** The word here, or undefined when an operator or the end is here. */
  protected word(): Word | undefined {
    const parts: WordPart[] = [];
    let text = "";
    const flush = (): void => {
      if (text !== "") parts.push({ type: "text", text, quoted: false });
      text = "";
    };
    const start = this.at;
    while (this.at < this.source.length) {
      const char = this.source.charAt(this.at);
      if (WORD_END.has(char)) break;
      if (char === "\\") {
        if (this.source[this.at + 1] === "\n") {
          this.at += 2;
          continue;
        }
        flush();
        parts.push({ type: "text", text: this.source[this.at + 1] ?? "\\", quoted: true });
        this.at += 2;
      } else if (char === "'") {
        flush();
        const end = this.source.indexOf("'", this.at + 1);
        if (end < 0) throw new ShellSyntaxError("syntax error: unterminated quoted string", true);
        parts.push({ type: "text", text: this.source.slice(this.at + 1, end), quoted: true });
        this.at = end + 1;
      } else if (char === '"') {
        flush();
        this.at++;
        const inner = this.quotedParts('"');
        parts.push(...(inner.length > 0 ? inner : [{ type: "text", text: "", quoted: true } as const]));
      } else if (char === "$" || char === "`") {
        const part = this.expansion(false);
        if (!part) {
          text += char;
          continue;
        }
        flush();
        parts.push(part);
      } else {
        text += char;
        this.at++;
      }
    }
    flush();
    return this.at === start ? undefined : parts;
  }

  /** Pieces inside double quotes (or a here-document's body, when `end` is undefined) up to and past `end`. */
  quotedParts(end: string | undefined): WordPart[] {
    const parts: WordPart[] = [];
    let text = "";
    const flush = (): void => {
      if (text !== "") parts.push({ type: "text", text, quoted: true });
      text = "";
    };
    for (;;) {
      if (this.at >= this.source.length) {
        if (end !== undefined) throw new ShellSyntaxError("syntax error: unterminated quoted string", true);
        flush();
        return parts;
      }
      const char = this.source.charAt(this.at);
      if (char === end) {
        this.at++;
        flush();
        return parts;
      }
      const next = this.source[this.at + 1] ?? "";
      if (char === "\\" && '$`"\\\n'.includes(next) && next !== "" && !(next === '"' && end === undefined)) {
        if (next !== "\n") text += next;
        this.at += 2;
      } else if (char === "$" || char === "`") {
        const part = this.expansion(true);
        if (part) {
          flush();
          parts.push(part);
        } else text += char;
      } else {
        text += char;
        this.at++;
      }
    }
  }

  /** `$x`, `${x…}`, `$(…)`, `$((…))` or a back-quoted command; a lone `$` is passed and undefined. */
  private expansion(quoted: boolean): WordPart | undefined {
    if (this.source[this.at] === "`") {
      this.at++;
      let text = "";
      while (this.source[this.at] !== "`") {
        if (this.at >= this.source.length) throw new ShellSyntaxError("syntax error: EOF in backquote substitution", true);
        if (this.source[this.at] === "\\" && "$`\\".includes(this.source[this.at + 1] ?? " ")) this.at++;
        text += this.source.charAt(this.at++);
      }
      this.at++;
      return { type: "command", body: this.#parse(text, 0, undefined).body, quoted };
    }
    this.at++;
    const rest = this.source.slice(this.at, this.at + 200);
    if (rest.startsWith("((")) {
      const expression = this.arithmetic();
      if (expression !== undefined)
        return { type: "arithmetic", expression: new WordReader(expression, this.#parse).quotedParts(undefined), quoted };
    }
    if (rest.startsWith("(")) {
      const { body, next } = this.#parse(this.source, this.at + 1, ")");
      this.at = next;
      return { type: "command", body, quoted };
    }
    if (rest.startsWith("{")) return this.braced(quoted);
    const name = /^([A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])/.exec(rest)?.[0];
    if (name === undefined) return undefined;
    this.at += name.length;
    return { type: "parameter", name, quoted };
  }

  /** The text of `((…))` at the cursor, which is passed; undefined when the parentheses do not close together (a subshell). */
  private arithmetic(): string | undefined {
    let depth = 0;
    for (let at = this.at; at < this.source.length; at++) {
      const char = this.source[at];
      if (char === "(") depth++;
      else if (char === ")" && --depth === 1) {
        if (this.source[at + 1] !== ")") return undefined;
        const text = this.source.slice(this.at + 2, at);
        this.at = at + 2;
        return text;
      }
    }
    throw new ShellSyntaxError("syntax error: unterminated arithmetic expansion", true);
  }

  private braced(quoted: boolean): WordPart {
    this.at++;
    const head = /^(#?)([A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-])/.exec(this.source.slice(this.at, this.at + 200));
    const bad = (): ShellSyntaxError =>
      this.source.includes("}", this.at)
        ? new ShellSyntaxError("syntax error: bad substitution")
        : new ShellSyntaxError('syntax error: missing "}"', true);
    if (!head?.[2]) throw bad();
    const name = head[2];
    this.at += head[0].length;
    if (head[1] === "#" && this.source[this.at] === "}") {
      this.at++;
      return { type: "parameter", name, operator: "length", quoted };
    }
    if (head[1] === "#") throw bad();
    const operator = /^(:[-=+?]|[-=+?]|##?|%%?|\/\/?|:)?/.exec(this.source.slice(this.at, this.at + 2))?.[0] ?? "";
    this.at += operator.length;
    const start = this.at;
    const inner: WordPart[] = [];
    while (this.source[this.at] !== "}") {
      if (this.at >= this.source.length) throw new ShellSyntaxError('syntax error: missing "}"', true);
      const char = this.source.charAt(this.at);
      if (char === "$" || char === "`") {
        const part = this.expansion(quoted);
        inner.push(part ?? { type: "text", text: "$", quoted });
      } else if (char === '"') {
        this.at++;
        inner.push(...this.quotedParts('"'));
      } else if (char === "'" && !quoted) {
        const end = this.source.indexOf("'", this.at + 1);
        if (end < 0) throw new ShellSyntaxError("syntax error: unterminated quoted string", true);
        inner.push({ type: "text", text: this.source.slice(this.at + 1, end), quoted: true });
        this.at = end + 1;
      } else {
        if (char === "\\") this.at++;
        inner.push({ type: "text", text: this.source.charAt(this.at), quoted: quoted || char === "\\" });
        this.at++;
      }
    }
    if (operator === "" && this.at > start) throw bad();
    this.at++;
    return operator === "" ? { type: "parameter", name, quoted } : { type: "parameter", name, operator, word: inner, quoted };
  }
}
