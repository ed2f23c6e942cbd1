// The ConfigMap's block-cidrs, block-user-agents and block-referers: 403 before anything else. No annotation.
// Upstream: nginx.tmpl, http block.
import { page } from "../answer.ts";
import { mapKey } from "../map-key.ts";
import type { Cidr } from "../../model/ip.ts";
import { headerText } from "../variables.ts";
import { annotationGroup } from "./annotation.ts";
import { inAny, parseCidr } from "./source-range.ts";

export interface Blocks {
  readonly cidrs: readonly Cidr[];
  readonly agents: readonly ((text: string) => boolean)[];
  readonly referers: readonly ((text: string) => boolean)[];
}

export const blocks = annotationGroup<Blocks>({
  upstream: "",
  annotations: {},
  parse: ({ config }) => ({
    cidrs: config.list("block-cidrs").flatMap((text) => parseCidr(text) ?? []),
    agents: config.list("block-user-agents").flatMap((text) => mapKey(text) ?? []),
    referers: config.list("block-referers").flatMap((text) => mapKey(text) ?? []),
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
