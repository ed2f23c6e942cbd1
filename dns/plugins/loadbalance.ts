// loadbalance: shuffles address and MX records of answer and additional section, CNAMEs first.
// Upstream: CoreDNS plugin/loadbalance, policy round_robin. Left out: weighted files and prefer.
import { CorefileError } from "../corefile.ts";
import { then } from "../message.ts";
import type { Reply } from "../message.ts";
import { unknownProperty } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";
import type { ResourceRecord } from "../record.ts";
import type { Random } from "../../model/random.ts";

const [AXFR, IXFR] = [252, 251];

export const loadbalancePlugin: PluginType = {
  name: "loadbalance",
  setup(stanza, env) {
    const policy = stanza.args[0];
    if (policy && policy.text !== "round_robin") throw new CorefileError(`unknown policy: ${policy.text}`, policy);
    for (const line of stanza.body) unknownProperty(line);
    return {
      name: "loadbalance",
      serve: (query, next) =>
        query.question.type === AXFR || query.question.type === IXFR
          ? next(query)
          : then(next(query), (reply) => shuffled(reply, env.random)),
    };
  },
};

function shuffled(reply: Reply, random: Random): Reply {
  if (reply.answers.length < 2 && reply.additionals.length < 2) return reply;
  return { ...reply, answers: shuffleAddresses(reply.answers, random), additionals: shuffleAddresses(reply.additionals, random) };
}

/** A new order: CNAMEs, then the rest as they are, then addresses and MX records shuffled. The list given is left alone. */
export function shuffleAddresses(records: readonly ResourceRecord[], random: Random): readonly ResourceRecord[] {
  if (records.length < 2) return records;
  const of = (...types: readonly string[]): ResourceRecord[] => records.filter((record) => types.includes(record.type));
  const rest = records.filter((record) => !["CNAME", "A", "AAAA", "MX"].includes(record.type));
  return [...of("CNAME"), ...rest, ...shuffle(of("A", "AAAA"), random), ...shuffle(of("MX"), random)];
}

function shuffle<T>(list: T[], random: Random): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.int(i + 1);
    const [a, b] = [list[i], list[j]];
    if (a !== undefined && b !== undefined) [list[i], list[j]] = [b, a];
  }
  return list;
}
