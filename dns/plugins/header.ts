// header: sets and clears the flags AA, RA and RD of answers, and RD of questions to the plugins behind it. Upstream: CoreDNS plugin/header.
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import { then } from "../message.ts";
import { argumentError } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";

const FLAGS = ["aa", "ra", "rd"] as const;
type Flags = Readonly<Partial<Record<(typeof FLAGS)[number], boolean>>>;

export const headerPlugin: PluginType = {
  name: "header",
  setup(stanza) {
    const rules: Record<string, Flags> = { query: {}, response: {} };
    for (const line of stanza.body) {
      const selector = line.name.text.toLowerCase();
      if (!Object.hasOwn(rules, selector))
        throw new CorefileError(`setting up rule: invalid selector=${selector} should be query or response`, line.name);
      rules[selector] = { ...rules[selector], ...readFlags(line) };
    }
    if (Object.values(rules).every((flags) => Object.keys(flags).length === 0)) argumentError(stanza);
    const { query: { rd } = {}, response } = rules;
    return {
      name: "header",
      serve: (query, next) =>
        then(next(rd === undefined ? query : { ...query, recursionDesired: rd }), (reply) =>
          // A reply shows the RD bit of its question, as it was by then; one kept in bytes, the client's.
          reply.unwritten ? reply : { ...reply, ...(rd === undefined ? {} : { rd }), ...response, volatile: true },
        ),
    };
  },
};

/** `query|response set|clear FLAG…`. */
function readFlags(line: Directive): Flags {
  const [action, ...flags] = line.args;
  if (!action) throw new CorefileError("setting up rule: no flag action provided", line.name);
  if (flags.length === 0) throw new CorefileError("setting up rule: invalid length for flags, at least one should be provided", line.name);
  const word = action.text.toLowerCase();
  if (word !== "set" && word !== "clear")
    throw new CorefileError(`setting up rule: unknown flag action=${word}, should be set or clear`, action);
  const entries = flags.map((token) => {
    const flag = FLAGS.find((each) => each === token.text.toLowerCase());
    if (!flag) throw new CorefileError(`setting up rule: unknown/unsupported flag=${token.text.toLowerCase()}`, token);
    return [flag, word === "set"] as const;
  });
  return Object.fromEntries(entries);
}
