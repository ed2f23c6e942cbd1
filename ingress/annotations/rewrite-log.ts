// enable-rewrite-log: what rewrite-target does to a request, in the controller's error log at level notice.
// Upstream: internal/ingress/annotations/log; rewrite_log of ngx_http_rewrite_module (ngx_http_script.c). Leaves out the lines of the
// regular expressions of cors-allow-origin.
import { type LineOf, noticeLine } from "../report/error-log.ts";
import type { Exchange } from "../request/exchange.ts";
import { annotationGroup, low, type Step } from "./annotation.ts";
import { rewriteOf, rewritePattern } from "./rewrite.ts";
import { BOOL } from "./validators.ts";

export const rewriteLog = annotationGroup<{ readonly on: boolean; readonly target: string }>({
  upstream: "Logs",
  annotations: { "enable-rewrite-log": low(BOOL) },
  parse: (read) => ({ on: read.flag("enable-rewrite-log", false), target: read.text("rewrite-target") ?? "" }),
  steps: ({ on, target }, { path }) => (on && target !== "" && target !== path ? [logStep(target, path)] : []),
});

/** In the rewrite phase, so that requests that are refused afterwards are in the log too. */
function logStep(target: string, path: string): Step {
  const pattern = rewritePattern(path);
  return {
    phase: "rewrite",
    annotation: "enable-rewrite-log",
    run(exchange) {
      const { world } = exchange;
      if (!world.errorLog || QUIETER.has(exchange.table.config.text("error-log-level", "notice"))) return undefined;
      for (const text of linesOf(exchange, path, rewriteOf(exchange, pattern, target))) world.errorLog(text);
      return undefined;
    },
  };
}

/** Levels at which a notice is not written. */
const QUIETER: ReadonlySet<string> = new Set(["warn", "error", "crit", "alert", "emerg"]);

function linesOf(exchange: Exchange, path: string, rewritten: ReturnType<typeof rewriteOf>): readonly string[] {
  const line: LineOf = (text) => noticeLine(exchange, text);
  const uri = exchange.facts.parsed.path;
  if (rewritten === "timeout") return [];
  if (!rewritten) return [line(`"(?i)${path}" does not match "${uri}"`)];
  const matches = line(`"(?i)${path}" matches "${uri}"`);
  if (/^https?:\/\//.test(rewritten.path)) {
    const query = rewritten.args === "" ? "" : `?${rewritten.args}`;
    return [matches, line(`rewritten redirect: "${rewritten.path}${query}"`)];
  }
  return [matches, line(`rewritten data: "${rewritten.path}", args: "${rewritten.args}"`)];
}
