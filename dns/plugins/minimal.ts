// minimal: leaves out the authority and additional sections where an answer needs neither. Upstream: CoreDNS plugin/minimal.
import { then } from "../message.ts";
import { takesNothing } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";
import { replyType } from "../reply-type.ts";

export const minimalPlugin: PluginType = {
  name: "minimal",
  setup(stanza) {
    takesNothing(stanza);
    return {
      name: "minimal",
      serve: (query, next) =>
        then(next(query), (reply) => (replyType(query, reply) === "NOERROR" ? { ...reply, authorities: [], additionals: [] } : reply)),
    };
  },
};
