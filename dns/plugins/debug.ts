// debug: lets what plugins log at level debug through. Upstream: CoreDNS plugin/debug; a failure in a plugin does not end the server here.
import { argumentError, unknownProperty } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";

export const debugPlugin: PluginType = {
  name: "debug",
  stanzas: "together",
  setup(_first, _env, all) {
    for (const stanza of all) {
      if (stanza.args.length > 0) argumentError(stanza);
      for (const line of stanza.body) unknownProperty(line);
    }
    return { name: "debug" };
  },
};
