// The ConfigMap's block-cidrs, block-user-agents and block-referers: 403 before anything else. No annotation.
// Upstream: nginx.tmpl, http block.
import { page } from "../answer.ts";
import { BoundedRegex } from "../bounded-regex.ts";
import type { Cidr } from "../../model/ip.ts";
import { headerText } from "../variables.ts";
import { annotationGroup } from "./annotation.ts";
import { inAny, parseCidr } from "./source-range.ts";

export interface Blocks {
  readonly cidrs: readonly Cidr[];
  readonly agents: readonly Pattern[];
  readonly referers: readonly Pattern[];
}

/** An nginx map key: `~*regex`, `~regex`, or text compared without case. */
type Pattern = (text: string) => boolean;

export const blocks = annotationGroup<Blocks>({
  name: "blocks",
  annotations: [],
  parse: ({ config }) => ({
    cidrs: config.list("block-cidrs").flatMap((text) => parseCidr(text) ?? []),
    agents: config.list("block-user-agents").flatMap(pattern),
    referers: config.list("block-referers").flatMap(pattern),
  }),
  steps: ({ cidrs, agents, referers }) =>
    cidrs.length + agents.length + referers.length === 0
      ? []
      : [
          {
            phase: "rewrite",
            annotation: "block-cidrs, block-user-agents, block-referers",
            run(exchange) {
              if (inAny(cidrs, exchange.facts.clientIp)) return page(403, `${exchange.facts.clientIp} is in block-cidrs`);
              const agent = headerText(exchange, "user-agent");
              if (agents.some((matches) => matches(agent))) return page(403, "User-Agent is in block-user-agents");
              const referer = headerText(exchange, "referer");
              return referers.some((matches) => matches(referer)) ? page(403, "Referer is in block-referers") : undefined;
            },
          },
        ],
});

function pattern(text: string): readonly Pattern[] {
  if (!text.startsWith("~")) return [(value) => value.toLowerCase() === text.toLowerCase()];
  try {
    const insensitive = text.startsWith("~*");
    const regex = new BoundedRegex(text.slice(insensitive ? 2 : 1), insensitive ? "i" : "");
    return [(value) => regex.test(value)];
  } catch {
    return [];
  }
}
