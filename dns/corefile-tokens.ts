// A Corefile's text in tokens: words, quoted strings and braces, comments left out, variables of the environment put in.
// Upstream: coredns/caddy caddyfile lexer.go.
import { CorefileSyntaxError } from "./corefile.ts";
import type { Token } from "./corefile.ts";

export interface QuotableToken extends Token {
  readonly quoted: boolean;
  readonly endLine: number;
  /** Tells the text apart from another use of the same lines: what is imported twice does not run together. */
  readonly part: number;
}

export const isOpen = (token: QuotableToken | undefined): boolean => token?.text === "{" && !token.quoted;
export const isClose = (token: QuotableToken | undefined): boolean => token?.text === "}" && !token.quoted;

/** True when `next` goes on where `token` ended. */
export function onOneLine(token: QuotableToken, next: QuotableToken | undefined): boolean {
  return next !== undefined && next.part === token.part && next.file === token.file && next.line === token.endLine;
}

/** Throws CorefileError for a string without end. `{$NAME}` and `{%NAME%}` become variables, unknown ones nothing. */
export function tokenize(text: string, file: string, variables: Readonly<Record<string, string>>): readonly QuotableToken[] {
  const tokens: QuotableToken[] = [];
  let line = 1;
  let lineStart = 0;
  for (let i = 0; i < text.length;) {
    const char = text.charAt(i);
    const place = { file, part: 0, line, column: i - lineStart + 1 };
    if (char === "\n") {
      line++;
      lineStart = ++i;
    } else if (/\s/.test(char)) i++;
    else if (char === "#") while (i < text.length && text.charAt(i) !== "\n") i++;
    else if (char === '"') {
      let value = "";
      for (i++; text.charAt(i) !== '"'; i++) {
        if (i >= text.length) throw new CorefileSyntaxError("Unexpected EOF inside a quoted string", place);
        if (text.charAt(i) === "\n") {
          line++;
          lineStart = i + 1;
        }
        // A backslash keeps what follows from ending the string, and goes itself before a quote alone.
        if (text.charAt(i) === "\\" && i + 1 < text.length && text.charAt(i + 1) !== "\n") {
          if (text.charAt(++i) !== '"') value += "\\";
        }
        value += text.charAt(i);
      }
      i++;
      tokens.push({ ...place, text: expand(value, variables), quoted: true, endLine: line });
    } else {
      const start = i;
      while (i < text.length && !/[\s#]/.test(text.charAt(i))) i++;
      tokens.push({ ...place, text: expand(text.slice(start, i), variables), quoted: false, endLine: line });
    }
  }
  return tokens;
}

function expand(text: string, variables: Readonly<Record<string, string>>): string {
  if (!text.includes("{")) return text;
  const value = (name: string): string => (Object.hasOwn(variables, name) ? (variables[name] ?? "") : "");
  return text.replace(/\{\$([^{}]+)\}|\{%([^{}%]+)%\}/g, (_, shell?: string, dos?: string) => value(shell ?? dos ?? ""));
}
