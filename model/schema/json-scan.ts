// One pass over JSON text that finds what JSON.parse does not tell: duplicate keys with their paths, and syntax errors in Go's words.
// Upstream: encoding/json scanner.go and sigs.k8s.io/json.

export interface JsonScan {
  /** `invalid character 'x' looking for beginning of value`, or undefined when the text is JSON. */
  readonly error: string | undefined;
  readonly duplicates: readonly string[];
}

const MAX_DEPTH = 1000;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;

class SyntaxFault extends Error {}

/** Scans the whole text; never throws. */
export function scanJson(text: string): JsonScan {
  const scanner = new Scanner(text);
  try {
    scanner.document();
    return { error: undefined, duplicates: scanner.duplicates };
  } catch (error) {
    if (error instanceof SyntaxFault) return { error: error.message, duplicates: [] };
    throw error;
  }
}

class Scanner {
  readonly duplicates: string[] = [];
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }
  document(): void {
    this.#value("");
    this.#space();
    if (this.#at < this.#text.length) this.#fail("after top-level value");
  }
  #value(path: string): void {
    this.#space();
    switch (this.#text[this.#at]) {
      case "{":
        return this.#nested(() => this.#object(path));
      case "[":
        return this.#nested(() => this.#array(path));
      case '"':
        return void this.#string();
      case "t":
        return this.#literal("true");
      case "f":
        return this.#literal("false");
      case "n":
        return this.#literal("null");
      default:
        return this.#number();
    }
  }
  #nested(scan: () => void): void {
    if (++this.#depth > MAX_DEPTH) throw new SyntaxFault("exceeded max depth");
    this.#at++;
    scan();
    this.#depth--;
  }
  #object(path: string): void {
    const seen = new Set<string>();
    this.#space();
    if (this.#take("}")) return;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#fail("looking for beginning of object key string");
      const key = this.#string();
      const inner = path === "" ? key : `${path}.${key}`;
      if (seen.has(key)) this.duplicates.push(inner);
      seen.add(key);
      this.#space();
      if (!this.#take(":")) this.#fail("after object key");
      this.#value(inner);
      this.#space();
      if (this.#take("}")) return;
      if (!this.#take(",")) this.#fail("after object key:value pair");
    }
  }
  #array(path: string): void {
    this.#space();
    if (this.#take("]")) return;
    for (let index = 0; ; index++) {
      this.#value(`${path}[${index}]`);
      this.#space();
      if (this.#take("]")) return;
      if (!this.#take(",")) this.#fail("after array element");
    }
  }
  #string(): string {
    const start = this.#at++;
    let escaped = false;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(code)) this.#fail("");
      if (code === 0x22) break;
      if (code < 0x20) this.#fail("in string literal");
      this.#at++;
      if (code !== 0x5c) continue;
      escaped = true;
      const next = this.#text[this.#at];
      if (next === "u") {
        for (let digit = 0; digit < 4; digit++) {
          this.#at++;
          if (!/[0-9a-fA-F]/.test(this.#text[this.#at] ?? "")) this.#fail("in \\u hexadecimal character escape");
        }
      } else if (next === undefined || !'"\\/bfnrt'.includes(next)) this.#fail("in string escape code");
      this.#at++;
    }
    this.#at++;
    const literal = this.#text.slice(start, this.#at);
    return escaped ? (JSON.parse(literal) as string) : literal.slice(1, -1);
  }
  #literal(word: string): void {
    for (const [index, letter] of [...word].entries()) {
      if (!this.#take(letter)) this.#fail(index === 0 ? "looking for beginning of value" : `in literal ${word} (expecting '${letter}')`);
    }
  }
  #number(): void {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (!match) {
      if (this.#take("-")) this.#fail("in numeric literal");
      this.#fail("looking for beginning of value");
    }
    this.#at += match[0].length;
    if (/[.eE]/.test(this.#text[this.#at] ?? "")) {
      const exponent = this.#text[this.#at] !== ".";
      this.#at++;
      this.#fail(exponent ? "in exponent of numeric literal" : "after decimal point in numeric literal");
    }
  }
  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }
  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }
  #fail(context: string): never {
    const char = this.#text[this.#at];
    if (char === undefined) throw new SyntaxFault("unexpected end of JSON input");
    const shown = char === "'" ? String.raw`'\''` : char === '"' ? `'"'` : `'${JSON.stringify(char).slice(1, -1)}'`;
    throw new SyntaxFault(`invalid character ${shown} ${context}`);
  }
}
