// errors: writes a line for each query that failed to be served.
// Upstream: CoreDNS plugin/errors. `consolidate` and `stacktrace` are read and have no effect.
import { questionText, then } from "../message.ts";
import { argumentError, unknownProperty } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";

export const errorsPlugin: PluginType = {
  name: "errors",
  setup(stanza, env) {
    if (stanza.args.length > 0) argumentError(stanza);
    for (const line of stanza.body) if (line.name.text !== "consolidate" && line.name.text !== "stacktrace") unknownProperty(line);
    return {
      name: "errors",
      serve: (query, next) =>
        then(next(query), (reply) => {
          const reason = reply.why.at(-1);
          if (reply.rcode === "SERVFAIL")
            env.log(
              `[ERROR] plugin/errors: 2 ${questionText(query.question)}: plugin/${reason?.plugin ?? "server"}: ${reason?.text ?? ""}`,
            );
          return reply;
        }),
    };
  },
};
