// The ConfigMap's block-user-agents and block-referers: 403 in every server, before redirects and locations.
// Upstream: nginx.tmpl, the server blocks. block-cidrs is an access rule: annotations/access.ts.
import { type Answer, page } from "./answer.ts";
import type { ControllerConfig } from "../config.ts";
import type { RequestFacts } from "./exchange.ts";
import { mapKey } from "../routes/map-key.ts";

type Matcher = (text: string) => boolean;

interface Blocked {
  readonly agents: readonly Matcher[];
  readonly referers: readonly Matcher[];
}

const known = new WeakMap<ControllerConfig, Blocked>();

function blockedBy(config: ControllerConfig): Blocked {
  let blocked = known.get(config);
  if (!blocked) {
    const matchers = (key: string): readonly Matcher[] => config.list(key).flatMap((text) => mapKey(text) ?? []);
    known.set(config, (blocked = { agents: matchers("block-user-agents"), referers: matchers("block-referers") }));
  }
  return blocked;
}

/** Undefined lets the request pass. */
export function blockedClient({ headers }: Pick<RequestFacts, "headers">, config: ControllerConfig): Answer | undefined {
  const { agents, referers } = blockedBy(config);
  if (agents.some((matches) => matches(headers["user-agent"] ?? ""))) return page(403, "User-Agent is in block-user-agents");
  return referers.some((matches) => matches(headers.referer ?? "")) ? page(403, "Referer is in block-referers") : undefined;
}
