// autopath: walks the client's search path on the server, so that the first question already gets the answer.
// Upstream: CoreDNS plugin/autopath. A CNAME leads from the name asked to the name found. The answer depends on who asks, so it is never kept.
import { CorefileError } from "../corefile.ts";
import { failedReply, requery, then } from "../message.ts";
import type { Query, Reply } from "../message.ts";
import { fqdn, isWithin, matchZone } from "../name.ts";
import { unknownProperty, zonesFrom } from "../plugin.ts";
import type { DnsPlugin, MaybeReply, Next, PluginType } from "../plugin.ts";

export const autopathPlugin: PluginType = {
  name: "autopath",
  setup(stanza, env) {
    const source = stanza.args.at(-1);
    if (!source) throw new CorefileError("no resolv-conf specified", stanza.name);
    for (const line of stanza.body) unknownProperty(line);
    const zones = zonesFrom(stanza.args.slice(0, -1), env);
    const file = source.text.startsWith("@") ? undefined : env.readFile(source.text);
    if (!source.text.startsWith("@") && file === undefined)
      throw new CorefileError(`failed to parse "${source.text}": no such file`, source);
    const listed =
      /^search\s+(.*)$/m
        .exec(file ?? "")?.[1]
        ?.trim()
        .split(/\s+/)
        .map((name) => fqdn(name.toLowerCase())) ?? [];
    const found = env.metrics.counter("coredns_autopath_success_total", { server: env.server });
    const named = (): DnsPlugin | undefined => env.plugins().find((plugin) => `@${plugin.name}` === source.text);
    return {
      name: "autopath",
      check() {
        const plugin = named();
        if (plugin && !plugin.searchPath)
          throw new CorefileError(`${plugin.name} does not implement the AutoPather interface`, source, "autopath");
      },
      serve(query, next) {
        if (matchZone(query.name, zones) === undefined) return next(query);
        const path = file === undefined ? (named()?.searchPath?.(query) ?? []) : [...listed, ""];
        return then(walkSearchPath(query, path, next), (reply) => {
          if (!reply.unwritten && reply.why[0]?.plugin === "autopath") found.value++;
          return { ...reply, volatile: true };
        });
      },
    };
  },
};

/**
 * Asks for the name in each element of the path; the first that is no NXDOMAIN wins, else the first reply; a failure ends it. Codes that
 * nobody has written are passed over. Only names under the first element are walked.
 */
export function walkSearchPath(query: Query, path: readonly string[], next: Next): MaybeReply {
  const [first] = path;
  if (first === undefined || first === "" || !isWithin(query.name, first)) return next(query);
  const { name: asked } = query.question;
  if (query.name === first) return failedReply("SERVFAIL", "autopath", `trimzone: overshot qname: ${asked}for zone ${first}`);
  const base = asked.slice(0, -first.length);
  const attempt = (index: number, firstReply: Reply | undefined): MaybeReply => {
    const element = path[index];
    if (element === undefined) return firstReply ?? next(query);
    const name = `${base}${element}`;
    return then(next(requery(query, name)), (reply) => {
      if (reply.failure !== undefined) return reply;
      if (reply.unwritten || reply.rcode === "NXDOMAIN") return attempt(index + 1, firstReply ?? reply);
      return { ...reply, answers: ledTo(asked, reply), why: [{ plugin: "autopath", text: `${asked} was found as ${name}` }, ...reply.why] };
    });
  };
  return attempt(0, undefined);
}

/** A CNAME leads from the name asked to the first record that has another. */
function ledTo(asked: string, { answers }: Reply): Reply["answers"] {
  const found = answers.find(({ name }) => name.toLowerCase() !== asked.toLowerCase());
  return found ? [{ name: asked, type: "CNAME", ttl: found.ttl, target: found.name }, ...answers] : answers;
}
