// The Corefile's grammar: server blocks of directives, with the place of every token, so that an error names line and column.
// Upstream: coredns/caddy caddyfile (lexer, parser), CoreDNS core/dnsserver address.go. Left out: imports of files.
import { Cidr, isCidr } from "../model/ip.ts";
import { fqdn, reverseOfAddress } from "./name.ts";

export interface Token {
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/** One line of a block, with the block that may follow it. */
export interface Directive {
  readonly name: Token;
  readonly args: readonly Token[];
  readonly body: readonly Directive[];
}

export interface ServerBlock {
  /** Lower-case zones. */
  readonly zones: readonly string[];
  readonly port: number;
  readonly directives: readonly Directive[];
}

/** An error in a Corefile, at a place. */
export class CorefileError extends Error {
  readonly line: number;
  readonly column: number;
  constructor(message: string, at: { readonly line: number; readonly column: number }) {
    super(`Corefile:${at.line}:${at.column} - Error during parsing: ${message}`);
    this.name = "CorefileError";
    this.line = at.line;
    this.column = at.column;
  }
}

/** The Corefile of a new cluster: kubeadm's without forward and the fall-through to it, so that no question leaves the machine. */
export function defaultCorefile(zone: string): string {
  return `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes ${zone} in-addr.arpa ip6.arpa {
       pods insecure
       ttl 30
    }
    prometheus :9153
    cache 30
    loop
    reload
    loadbalance
}
`;
}

/** Parses a Corefile; throws CorefileError. An empty text has no blocks. `{$NAME}` and `{%NAME%}` become variables, unknown ones nothing. */
export function parseCorefile(text: string, variables: Readonly<Record<string, string>> = {}): readonly ServerBlock[] {
  const value = (name: string): string => (Object.hasOwn(variables, name) ? (variables[name] ?? "") : "");
  const tokens = tokenize(text).map((token) =>
    token.text.includes("{")
      ? {
          ...token,
          text: token.text.replace(/\{\$([^{}]+)\}|\{%([^{}%]+)%\}/g, (_, shell?: string, dos?: string) => value(shell ?? dos ?? "")),
        }
      : token,
  );
  const snippets = new Map<string, readonly Directive[]>();
  const blocks: ServerBlock[] = [];
  let at = 0;

  const parseBody = (open: Token): readonly Directive[] => {
    const body: Directive[] = [];
    for (;;) {
      const name = tokens[at++];
      if (!name) throw new CorefileError("Unexpected EOF, expecting '}'", open);
      if (name.text === "}" && !name.quoted) return body;
      if (name.text === "{" && !name.quoted) throw new CorefileError("Unexpected '{'", name);
      const args: Token[] = [];
      let inner: readonly Directive[] = [];
      while (tokens[at]?.line === name.line && !(tokens[at]?.text === "}" && !tokens[at]?.quoted)) {
        const token = tokens[at++];
        if (!token) break;
        if (token.text === "{" && !token.quoted) {
          inner = parseBody(token);
          break;
        }
        args.push(token);
      }
      if (name.text === "import") body.push(...imported(name, args[0]));
      else body.push({ name, args, body: inner });
    }
  };
  const imported = (name: Token, target: Token | undefined): readonly Directive[] => {
    const snippet = target && snippets.get(target.text);
    if (!snippet)
      throw new CorefileError(
        target
          ? `import of "${target.text}": no such snippet, and files are not imported`
          : "Wrong argument count or unexpected line ending after 'import'",
        target ?? name,
      );
    return snippet;
  };

  while (at < tokens.length) {
    const keys: Token[] = [];
    while (tokens[at] && tokens[at]?.text !== "{") keys.push(tokens[at++] as Token);
    const open = tokens[at++];
    const first = keys[0];
    if (!open)
      throw new CorefileError(`Unexpected end of file: no '{' after '${keys.at(-1)?.text ?? ""}'`, keys.at(-1) ?? { line: 1, column: 1 });
    if (!first) throw new CorefileError("Unexpected '{': a server block needs a zone", open);
    const directives = parseBody(open);
    const snippet = /^\((.+)\)$/.exec(first.text);
    if (snippet && keys.length === 1) snippets.set(snippet[1] ?? "", directives);
    else blocks.push(...serverBlocks(keys, directives));
  }
  return blocks;
}

function serverBlocks(keys: readonly Token[], directives: readonly Directive[]): readonly ServerBlock[] {
  const byPort = new Map<number, string[]>();
  for (const key of keys.flatMap((token) =>
    token.text
      .split(",")
      .filter((text) => text !== "")
      .map((text) => ({ ...token, text })),
  )) {
    const { zones, port } = parseKey(key);
    const known = byPort.get(port);
    if (known) known.push(...zones);
    else byPort.set(port, [...zones]);
  }
  return [...byPort].map(([port, zones]) => ({ zones, port, directives }));
}

function parseKey(key: Token): { readonly zones: readonly string[]; readonly port: number } {
  const scheme = /^([a-z0-9]+):\/\//.exec(key.text);
  if (scheme && scheme[1] !== "dns") throw new CorefileError(`transport "${scheme[1]}" is not served: only dns`, key);
  const rest = key.text.slice(scheme?.[0].length ?? 0);
  const colon = /^(.*):(\d+)$/.exec(rest);
  const port = colon ? Number(colon[2]) : 53;
  if (port < 1 || port > 65_535) throw new CorefileError(`invalid port in "${key.text}"`, key);
  return { zones: zonesOf(colon?.[1] || (colon ? "." : rest)), port };
}

/** The lower-case zones that a word of the Corefile names: a name, or the reverse zones of an address block. */
export function zonesOf(text: string): readonly string[] {
  if (!isCidr(text)) return [fqdn(text.toLowerCase())];
  const block = new Cidr(text);
  const unit = block.family === "IPv4" ? 8 : 4;
  const bits = Math.ceil(block.prefixLength / unit) * unit;
  const labels = (block.family === "IPv4" ? 32 : 128) / unit;
  return Array.from({ length: 2 ** (bits - block.prefixLength) }, (_, index) =>
    reverseOfAddress(block.subnet(index, bits).at(0))
      .split(".")
      .slice(labels - bits / unit)
      .join("."),
  );
}

interface QuotableToken extends Token {
  readonly quoted: boolean;
}

function tokenize(text: string): readonly QuotableToken[] {
  const tokens: QuotableToken[] = [];
  let line = 1;
  let lineStart = 0;
  for (let i = 0; i < text.length;) {
    const char = text.charAt(i);
    const place = { line, column: i - lineStart + 1 };
    if (char === "\n") {
      line++;
      lineStart = ++i;
    } else if (/\s/.test(char)) i++;
    else if (char === "#") while (i < text.length && text.charAt(i) !== "\n") i++;
    else if (char === '"') {
      let value = "";
      for (i++; text.charAt(i) !== '"'; i++) {
        if (i >= text.length) throw new CorefileError("Unexpected EOF inside a quoted string", place);
        if (text.charAt(i) === "\n") {
          line++;
          lineStart = i + 1;
        }
        if (text.charAt(i) === "\\" && text.charAt(i + 1) === '"') i++;
        value += text.charAt(i);
      }
      i++;
      tokens.push({ ...place, text: value, quoted: true });
    } else {
      const start = i;
      while (i < text.length && !/\s/.test(text.charAt(i))) i++;
      tokens.push({ ...place, text: text.slice(start, i), quoted: false });
    }
  }
  return tokens;
}
