// nsid: answers a query's NSID option with a text of the server's, its host name by default (RFC 5001). Upstream: CoreDNS plugin/nsid.
import { then } from "../message.ts";
import type { PluginType } from "../plugin.ts";

const NSID = 3;

export const nsidPlugin: PluginType = {
  name: "nsid",
  setup(stanza, env) {
    const text = stanza.args.length > 0 ? stanza.args.map((token) => token.text).join(" ") : env.hostname;
    const option = { code: NSID, data: Buffer.from(text) };
    return {
      name: "nsid",
      serve: (query, next) =>
        then(next(query), (reply) => {
          const { edns = query.edns } = reply;
          const asked = query.edns?.options.some(({ code }) => code === NSID) === true;
          if (!asked || !edns || reply.unwritten || reply.dropped) return { ...reply, volatile: true };
          const others = reply.edns?.options.filter(({ code }) => code !== NSID) ?? [];
          // What is kept in encoded form would hand the client's own option back. The OPT record of an answer has the DO bit.
          return { ...reply, volatile: true, edns: { ...edns, do: reply.edns?.do ?? true, options: [...others, option] } };
        }),
    };
  },
};
