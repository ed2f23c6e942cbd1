// rewrite-target, use-regex: what the pod sees as path.
// Upstream: internal/ingress/annotations/rewrite; template.go buildProxyPass. The rewrite's pattern is the location's path, unanchored, without case.
import { type Answer, redirect } from "../request/answer.ts";
import { BoundedRegex, RegexTimeout } from "../bounded-regex.ts";
import type { Exchange } from "../request/exchange.ts";
import { escapeArguments, escapePath } from "../request/request-path.ts";
import { page } from "../request/answer.ts";
import { expand } from "../request/variables.ts";
import { annotationGroup, type Step, low, medium } from "./annotation.ts";
import { BOOL, PATH_WITH_CAPTURES_KEPT } from "./validators.ts";

export interface Rewrite {
  readonly target: string;
  readonly useRegex: boolean;
}

export const rewrite = annotationGroup<Rewrite>({
  upstream: "Rewrite",
  annotations: {
    "rewrite-target": medium(PATH_WITH_CAPTURES_KEPT),
    "use-regex": low(BOOL),
  },
  parse: (read) => ({
    target: read.text("rewrite-target") ?? "",
    useRegex: read.flag("use-regex", false),
  }),
  steps: (settings, { path }) => [...(settings.target === "" || settings.target === path ? [] : [rewriteStep(settings.target, path)])],
});

function rewriteStep(target: string, path: string): Step {
  const pattern = rewritePattern(path);
  return {
    phase: "rewrite",
    annotation: "rewrite-target",
    run: (exchange) => rewritten(exchange, pattern, target),
  };
}

export const rewritePattern = (path: string): BoundedRegex => new BoundedRegex(path, "i");

/** What becomes of path and arguments; undefined: the pattern does not match. */
export function rewriteOf(
  exchange: Exchange,
  pattern: BoundedRegex,
  target: string,
): { readonly path: string; readonly args: string } | undefined | "timeout" {
  let captures: RegExpExecArray | null;
  try {
    captures = pattern.exec(exchange.facts.parsed.path);
  } catch (error) {
    if (error instanceof RegexTimeout) return "timeout";
    throw error;
  }
  if (!captures) return undefined;
  const mark = target.indexOf("?");
  const newPath = expand(exchange, mark < 0 ? target : target.slice(0, mark), captures);
  const { query, rawPath } = exchange.facts.parsed;
  // nginx escapes captures in a query only when something in the path was quoted.
  const escaping = /[%+]/.test(rawPath) ? escapeArguments : undefined;
  const ownQuery = mark < 0 ? "" : expand(exchange, target.slice(mark + 1), captures, escaping);
  const queries = [ownQuery, ...(target.endsWith("?") ? [] : [query ?? ""])].filter((text) => text !== "");
  return { path: newPath, args: queries.join("&") };
}

function rewritten(exchange: Exchange, pattern: BoundedRegex, target: string): Answer | undefined {
  const found = rewriteOf(exchange, pattern, target);
  if (found === "timeout") return page(500, "rewrite-target: its regular expression took too long");
  if (!found) return undefined;
  const { path, args } = found;
  const query = args === "" ? "" : `?${args}`;
  if (/^https?:\/\//.test(path)) return redirect(302, escapePath(path) + query, `rewrite-target ${target} is a URL`);
  exchange.uri = found;
  const wire = escapePath(path === "" ? "/" : path);
  exchange.upstreamTarget = wire + query;
  exchange.note(`rewrite-target: ${exchange.facts.parsed.path} becomes ${exchange.upstreamTarget}`);
  return undefined;
}
