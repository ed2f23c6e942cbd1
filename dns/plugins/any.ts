// any: says of every question of type ANY that nobody answers it any more (RFC 8482). Upstream: CoreDNS plugin/any.
import { emptyReply } from "../message.ts";
import { takesNothing } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";
import { characterStrings } from "../record.ts";

const [HINFO, ANY] = [13, 255];
const TTL = 8482;
const DATA = characterStrings("ANY obsoleted", "See RFC 8482");

export const anyPlugin: PluginType = {
  name: "any",
  setup(stanza) {
    takesNothing(stanza);
    return {
      name: "any",
      serve(query, next) {
        const { name, type } = query.question;
        if (type !== ANY) return next(query);
        const record = { name, type: "RAW", code: HINFO, class: 1, ttl: TTL, data: DATA } as const;
        return { ...emptyReply("NOERROR", "any", "ANY is answered by HINFO alone"), answers: [record] };
      },
    };
  },
};
