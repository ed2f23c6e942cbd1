// /healthz, /livez and /readyz, with ?verbose and ?exclude. Upstream: apiserver pkg/server/healthz.
import { type Answer, type ApiContext, type ApiRequest, textAnswer } from "./context.ts";

/** A named check; false or a thrown error fails it. */
interface Check {
  readonly name: string;
  passes(context: ApiContext): boolean;
}

const CHECKS: readonly Check[] = [
  { name: "ping", passes: () => true },
  { name: "etcd", passes: ({ store }) => store.revision >= 0 },
];

/** The paths that answer; each may be followed by the name of one check. */
export const HEALTH_PATHS: ReadonlySet<string> = new Set(["healthz", "livez", "readyz"]);

/** Answers `/{path}` and `/{path}/{check}`; undefined when there is no such check. */
export function healthAnswer(segments: readonly string[], request: ApiRequest, context: ApiContext): Answer | undefined {
  const [path = "", only] = segments;
  if (segments.length > 2) return undefined;
  if (only !== undefined && only !== "" && !CHECKS.some(({ name }) => name === only)) return undefined;
  const excluded = new Set(request.query.getAll("exclude"));
  const lines: string[] = [];
  let failed = false;
  for (const check of CHECKS) {
    if (only && check.name !== only) continue;
    if (excluded.has(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`);
      continue;
    }
    const passed = check.passes(context);
    failed ||= !passed;
    lines.push(passed ? `[+]${check.name} ok` : `[-]${check.name} failed: reason withheld`);
  }
  if (failed) return textAnswer(`${lines.join("\n")}\n${path} check failed\n`, 500);
  return textAnswer(request.query.has("verbose") && !only ? `${lines.join("\n")}\n${path} check passed\n` : "ok");
}
