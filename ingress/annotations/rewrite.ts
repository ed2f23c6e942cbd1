// rewrite-target, use-regex: what the pod sees as path.
// Upstream: internal/ingress/annotations/rewrite; template.go buildProxyPass. The rewrite's pattern is the location's path, unanchored, without case.
import { type Answer, redirect } from "../answer.ts";
import { BoundedRegex, RegexTimeout } from "../bounded-regex.ts";
import type { Exchange } from "../exchange.ts";
import { escapeArguments, escapePath } from "../request-path.ts";
import { page } from "../answer.ts";
import { expand } from "../variables.ts";
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
  const pattern = new BoundedRegex(path, "i");
  return {
    phase: "content",
    annotation: "rewrite-target",
    run: (exchange) => rewritten(exchange, pattern, target),
  };
}

function rewritten(exchange: Exchange, pattern: BoundedRegex, target: string): Answer | undefined {
  let captures: RegExpExecArray | null;
  try {
    captures = pattern.exec(exchange.facts.parsed.path);
  } catch (error) {
    if (error instanceof RegexTimeout) return page(500, `rewrite-target: ${error.message}`);
    throw error;
  }
  if (!captures) return undefined;
  const mark = target.indexOf("?");
  const newPath = expand(exchange, mark < 0 ? target : target.slice(0, mark), captures);
  if (/^https?:\/\//.test(newPath)) return redirect(302, escapePath(newPath), `rewrite-target ${target} is a URL`);
  const { query, rawPath } = exchange.facts.parsed;
  // nginx escapes captures in a query only when something in the path was quoted.
  const escaping = /[%+]/.test(rawPath) ? escapeArguments : undefined;
  const ownQuery = mark < 0 ? "" : expand(exchange, target.slice(mark + 1), captures, escaping);
  const queries = [ownQuery, ...(target.endsWith("?") ? [] : [query ?? ""])].filter((text) => text !== "");
  const wire = escapePath(newPath === "" ? "/" : newPath);
  exchange.upstreamTarget = queries.length === 0 ? wire : `${wire}?${queries.join("&")}`;
  exchange.note(`rewrite-target: ${exchange.facts.parsed.path} becomes ${exchange.upstreamTarget}`);
  return undefined;
}
