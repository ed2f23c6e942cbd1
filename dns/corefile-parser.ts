// From a Corefile's text to server blocks: keys, directives, blocks in blocks, and the imports of snippets and files in between.
// Upstream: coredns/caddy caddyfile parse.go.
import { CorefileSyntaxError, serverBlocks } from "./corefile.ts";
import type { Directive, Served, ServerBlock } from "./corefile.ts";
import { isClose, isOpen, onOneLine, tokenize } from "./corefile-tokens.ts";
import type { QuotableToken } from "./corefile-tokens.ts";

/** The files that a Corefile may import, by path; relative ones are meant from the folder of the Corefile. */
export interface CorefileFiles {
  read(path: string): string | undefined;
  /** Names in a folder, for a pattern; "" is the folder of the Corefile. */
  list(folder: string): readonly string[];
}

export interface ParseOptions {
  /** The environment. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly files?: CorefileFiles;
}

const NO_FILES: CorefileFiles = { read: () => undefined, list: () => [] };
/** Keeps imports that import themselves from going on for ever. */
const MAX_IMPORTS = 1000;

/** Parses a Corefile; throws CorefileError. An empty text has no blocks. */
export function parseCorefile(text: string, { variables = {}, files = NO_FILES }: ParseOptions = {}): readonly ServerBlock[] {
  return new Parser(tokenize(text, "Corefile", variables), variables, files).blocks();
}

class Parser {
  /** What is still to be read, the next token last. */
  readonly #rest: QuotableToken[];
  readonly #variables: Readonly<Record<string, string>>;
  readonly #files: CorefileFiles;
  readonly #snippets = new Map<string, readonly QuotableToken[]>();
  #imports = 0;

  constructor(tokens: readonly QuotableToken[], variables: Readonly<Record<string, string>>, files: CorefileFiles) {
    this.#rest = tokens.toReversed();
    this.#variables = variables;
    this.#files = files;
  }

  blocks(): readonly ServerBlock[] {
    const blocks: ServerBlock[] = [];
    const served: Served = new Map();
    for (;;) {
      const keys = this.#keys();
      const [first] = keys;
      if (!first) return blocks;
      const open = this.#peek();
      const snippet = /^\((.+)\)$/.exec(first.text)?.[1];
      if (snippet !== undefined && keys.length === 1) this.#define(snippet, first);
      else if (isOpen(open)) blocks.push(...serverBlocks(keys, this.#body(this.#take()), served));
      else blocks.push(...serverBlocks(keys, this.#body(undefined), served));
    }
  }

  #peek(): QuotableToken | undefined {
    return this.#rest.at(-1);
  }
  #take(): QuotableToken | undefined {
    return this.#rest.pop();
  }

  /** The keys of the next block: one line of them, and another after each comma at its end. */
  #keys(): readonly QuotableToken[] {
    const keys: QuotableToken[] = [];
    for (;;) {
      const next = this.#peek();
      if (!next) {
        if (keys.at(-1)?.text.endsWith(","))
          throw new CorefileSyntaxError("Unexpected EOF", keys.at(-1) ?? { file: "Corefile", line: 1, column: 1 });
        return keys;
      }
      if (isOpen(next)) {
        if (keys.length === 0) throw new CorefileSyntaxError("Unexpected '{': a server block needs a zone", next);
        if (keys.at(-1)?.text.endsWith(","))
          throw new CorefileSyntaxError("Expected another address but had '{' - check for extra comma", next);
        return keys;
      }
      const last = keys.at(-1);
      if (last && !last.text.endsWith(",") && !onOneLine(last, next)) return keys;
      this.#take();
      if (next.text === "import" && !next.quoted && !last) this.#import(next);
      else keys.push(next);
    }
  }

  /** Directives up to the closing brace; up to the end when there is no opening one. */
  #body(open: QuotableToken | undefined): readonly Directive[] {
    const body: Directive[] = [];
    for (;;) {
      const name = this.#take();
      if (!name) {
        if (open) throw new CorefileSyntaxError("Unexpected EOF, expecting '}'", open);
        return body;
      }
      if (isClose(name)) {
        if (open) return body;
        throw new CorefileSyntaxError("Unexpected '}' because no matching opening brace", name);
      }
      if (isOpen(name)) throw new CorefileSyntaxError("Unexpected '{'", name);
      if (name.text === "import" && !name.quoted) this.#import(name);
      else body.push(this.#directive(name));
    }
  }

  #directive(name: QuotableToken): Directive {
    const args: QuotableToken[] = [];
    for (let last = name; onOneLine(last, this.#peek()) && !isClose(this.#peek());) {
      const token = this.#take();
      if (!token) break;
      if (isOpen(token)) return { name, args, body: this.#body(token) };
      args.push(token);
      last = token;
    }
    return { name, args, body: [] };
  }

  /** Keeps the tokens of a snippet for its imports. */
  #define(name: string, at: QuotableToken): void {
    if (this.#snippets.has(name)) throw new CorefileSyntaxError(`redeclaration of previously declared snippet ${name}`, at);
    const open = this.#take();
    if (!open || !isOpen(open)) throw new CorefileSyntaxError("Unexpected token, expecting '{'", open ?? at);
    const tokens: QuotableToken[] = [];
    for (let depth = 1; ;) {
      const token = this.#take();
      if (!token) throw new CorefileSyntaxError("Unexpected EOF, expecting '}'", open);
      depth += isOpen(token) ? 1 : isClose(token) ? -1 : 0;
      if (depth === 0) break;
      tokens.push(token);
    }
    this.#snippets.set(name, tokens);
  }

  /** Puts what is imported in the place of the line. */
  #import(at: QuotableToken): void {
    const target = onOneLine(at, this.#peek()) ? this.#take() : undefined;
    if (!target) throw new CorefileSyntaxError("Wrong argument count or unexpected line ending after 'import'", at);
    if (target.text === "") throw new CorefileSyntaxError("Import requires a non-empty filepath", target);
    const extra = this.#peek();
    if (extra && onOneLine(target, extra) && !isClose(extra))
      throw new CorefileSyntaxError("Import takes only one argument (glob pattern or file)", extra);
    if (++this.#imports > MAX_IMPORTS) throw new CorefileSyntaxError(`maximum import depth (${MAX_IMPORTS}) exceeded`, target);
    const tokens = this.#snippets.get(target.text) ?? this.#fromFiles(target);
    for (const token of tokens.toReversed()) this.#rest.push({ ...token, part: this.#imports });
  }

  #fromFiles(target: QuotableToken): readonly QuotableToken[] {
    const path = relativeTo(target.file, target.text);
    if (!/[*?]/.test(path)) {
      const text = this.#files.read(path);
      if (text === undefined) throw new CorefileSyntaxError(`File to import not found: ${target.text}`, target);
      return tokenize(text, path, this.#variables);
    }
    if (/\*.*\*|\?.*\?|\[.*\]/.test(path))
      throw new CorefileSyntaxError(`Glob pattern may only contain one wildcard (*), but has others: ${path}`, target);
    const slash = path.lastIndexOf("/");
    const [folder, pattern] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
    const matches = new RegExp(
      `^${pattern
        .replace(/[.+^${}()|[\]\\]/g, "\\$&")
        .replaceAll("*", ".*")
        .replaceAll("?", ".")}$`,
    );
    const names = this.#files.list(folder).filter((name) => matches.test(name));
    return names.toSorted().flatMap((name) => {
      const found = folder === "" && slash < 0 ? name : `${folder}/${name}`;
      return tokenize(this.#files.read(found) ?? "", found, this.#variables);
    });
  }
}

/** The path of an import, from the folder of the file that it stands in; `..` beyond the Corefile's folder stays. */
function relativeTo(file: string, path: string): string {
  if (path.startsWith("/")) return path;
  const parts = [...file.split("/").slice(0, -1), ...path.split("/")];
  const walked: string[] = [];
  for (const [index, part] of parts.entries()) {
    if (part === ".." && walked.length > 0 && walked.at(-1) !== ".." && walked.at(-1) !== "") walked.pop();
    else if (part === ".." && walked.at(-1) === "") continue;
    else if (part !== "." && (part !== "" || index === 0)) walked.push(part);
  }
  return walked.join("/");
}
