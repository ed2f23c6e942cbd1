// autopath: walks the client's search path on the server, so that the first question already gets the answer.
// Upstream: CoreDNS plugin/autopath. A CNAME leads from the name asked to the name found. The answer depends on who asks, so it is never kept.
import { CorefileError } from "../corefile.ts";
import { requery, then } from "../message.ts";
import type { Query, Reply } from "../message.ts";
import { fqdn, matchZone } from "../name.ts";
import { unknownProperty, zonesFrom } from "../plugin.ts";
import type { MaybeReply, Next, PluginType } from "../plugin.ts";

const [A, AAAA] = [1, 28];

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
    const found = env.metrics.counter("coredns_autopath_success_total", { server: `dns://:${env.port}` });
    return {
      name: "autopath",
      serve(query, next) {
        const { type } = query.question;
        if ((type !== A && type !== AAAA) || matchZone(query.name, zones) === undefined) return next(query);
        const path =
          file === undefined
            ? (env
                .plugins()
                .find((plugin) => `@${plugin.name}` === source.text)
                ?.searchPath?.(query) ?? [])
            : [...listed, ""];
        return then(walkSearchPath(query, path, next), (reply) => {
          if (reply.why[0]?.plugin === "autopath") found.value++;
          return { ...reply, volatile: true };
        });
      },
    };
  },
};

/** Asks for the name in each element of the path; the first that exists wins, else the first reply; a failure ends it. Only names under the first element are walked. */
export function walkSearchPath(query: Query, path: readonly string[], next: Next): MaybeReply {
  const [first] = path;
  if (first === undefined || first === "" || !query.name.endsWith(`.${first}`)) return next(query);
  const base = query.question.name.slice(0, -first.length);
  const attempt = (index: number, firstReply: Reply | undefined): MaybeReply => {
    const element = path[index];
    if (element === undefined) return firstReply ?? next(query);
    const name = `${base}${element}`;
    return then(next(requery(query, name)), (reply) => {
      if (reply.failure !== undefined) return reply;
      if (reply.rcode === "NXDOMAIN" || reply.rcode === "SERVFAIL" || reply.rcode === "REFUSED")
        return attempt(index + 1, firstReply ?? reply);
      const why = [{ plugin: "autopath", text: `${query.question.name} was found as ${name}` }, ...reply.why];
      if (index === 0) return reply;
      const ttl = reply.answers[0]?.ttl ?? 0;
      const answers =
        reply.answers.length === 0 ? [] : [{ name: query.question.name, type: "CNAME" as const, ttl, target: name }, ...reply.answers];
      return { ...reply, answers, why };
    });
  };
  return attempt(0, undefined);
}
