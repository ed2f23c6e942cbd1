// minimal: leaves out the authority and additional sections where an answer needs neither. Upstream: CoreDNS plugin/minimal.
import { then } from "../message.ts";
import type { Reply } from "../message.ts";
import { takesNothing } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";
import { replyType } from "../reply-type.ts";

function shortened({ edns: _edns, ...reply }: Reply): Reply {
  return { ...reply, authorities: [], additionals: [] };
}

export const minimalPlugin: PluginType = {
  name: "minimal",
  setup(stanza) {
    takesNothing(stanza);
    return {
      name: "minimal",
      serve: (query, next) => then(next(query), (reply) => (replyType(query, reply) === "NOERROR" ? shortened(reply) : reply)),
    };
  },
};
