// What a rule of the rewrite plugin is: it makes another query of one that matches, and says what becomes of the reply.
// Upstream: CoreDNS plugin/rewrite rewrite.go and reverter.go.
import { CorefileError } from "../corefile.ts";
import type { Token } from "../corefile.ts";
import type { Edns, Query, Reply } from "../message.ts";
import { fqdn } from "../name.ts";
import type { MaybeReply, PluginEnv } from "../plugin.ts";
import type { ResourceRecord } from "../record.ts";

/** What becomes of a reply; the rules of a query are applied last first. */
export interface ResponseRule {
  /** Applied to the records of all three sections. */
  record?(record: ResourceRecord): ResourceRecord;
  message?(reply: Reply): MaybeReply;
  /** What the OPT record of the answer shows in place of the rewritten query's. */
  edns?(edns: Edns): Edns;
  /** The outcome depends on more than the question, or has a TTL of its own. */
  readonly volatile?: boolean;
}

export interface RewriteRule {
  /** The query in its new form and the rules for its reply; undefined when the rule does not match. */
  rewrite(query: Query): { readonly query: Query; readonly responses: readonly ResponseRule[] } | undefined;
  /** Code of the EDNS0 option that the rule sets: the answer shows it, which by itself it would not. */
  readonly option?: number;
}

/** Reads the words of one rule, behind its field. `at` is its place in the Corefile. */
export type RuleReader = (words: readonly string[], at: Token, env: PluginEnv) => RewriteRule;

/** Longest regular expression that is compiled. */
const MAX_PATTERN = 10_000;

const FAULTS = { long: "regex pattern too long", wrong: "invalid regex matching pattern" };

export const MATCH_TYPES: ReadonlySet<string> = new Set(["exact", "prefix", "suffix", "substring", "regex"]);

/** A name as the rules compare it: in lower case and fully qualified, parts of names too. */
export const normal = (name: string): string => fqdn(name.toLowerCase());

/** Compiles a regular expression written for Go; throws CorefileError. Lookaround and back references, which Go lacks, work. */
export function compilePattern(pattern: string, at: Token, { long, wrong } = FAULTS): RegExp {
  if (pattern.length > MAX_PATTERN) throw new CorefileError(`${long}: ${pattern.length} > ${MAX_PATTERN}`, at);
  const flags = /^\(\?([is]+)\)/.exec(pattern);
  try {
    return new RegExp(pattern.slice(flags?.[0].length ?? 0).replaceAll("(?P<", "(?<"), flags?.[1] ?? "");
  } catch {
    throw new CorefileError(`${wrong}: ${pattern}`, at);
  }
}

/** A pattern and what replaces a name that it matches; throws when the replacement uses groups that the pattern has not. */
export function substitution(pattern: string, replacement: string, at: Token, before = ""): (name: string) => string | undefined {
  const compiled = compilePattern(pattern, at, { long: `${before}${FAULTS.long}`, wrong: `${before}${FAULTS.wrong}` });
  const groups = (new RegExp(`${compiled.source}|`).exec("")?.length ?? 1) - 1;
  const used = new Set(replacement.match(/\{\d{1,3}\}/g) ?? []).size;
  if (used > groups) {
    const text = `${before}the rewrite regex pattern (${replacement}) uses more subexpressions than its corresponding matching regex pattern (${pattern})`;
    throw new CorefileError(text, at);
  }
  const to = normal(replacement);
  return (name) => {
    const found = compiled.exec(name);
    return found
      ? to.replace(/\{(\d+)\}/g, (whole, index: string) => (Number(index) < found.length ? (found[Number(index)] ?? "") : whole))
      : undefined;
  };
}

/** Whether a lower-case name matches; for the rules that look at names and leave them alone. */
export function nameMatcher(type: string, from: string, at: Token, field: string): (name: string) => boolean {
  const text = normal(from);
  switch (type) {
    case "exact":
      return (name) => name === text;
    case "prefix":
      return (name) => name.startsWith(text);
    case "suffix":
      return (name) => name.endsWith(text);
    case "substring":
      return (name) => name.includes(text);
    default: {
      const [long, wrong] = [`regex pattern too long in a ${field} rule`, `invalid regex pattern in a ${field} rule`];
      const pattern = compilePattern(from, at, { long, wrong });
      return (name) => pattern.test(name);
    }
  }
}

/** A failed rule, at its place. */
export function invalid(text: string, at: Token): never {
  throw new CorefileError(text, at);
}
