// rewrite: asks something else than the client did, and changes what the answer shows. The question always stays the client's.
// Upstream: CoreDNS plugin/rewrite. Each field of a rule is read in rewrite/.
import { CorefileError } from "../corefile.ts";
import type { Directive, Token } from "../corefile.ts";
import { failedReply, then } from "../message.ts";
import type { Query, Reply } from "../message.ts";
import { isDomainName } from "../name.ts";
import type { MaybeReply, PluginEnv, PluginType } from "../plugin.ts";
import { readEdns0Rule } from "../rewrite/edns0-rule.ts";
import { readClassRule, readCnameRule, readRcodeRule, readTtlRule, readTypeRule } from "../rewrite/field-rules.ts";
import { readNameRule } from "../rewrite/name-rule.ts";
import type { ResponseRule, RewriteRule, RuleReader } from "../rewrite/rule.ts";

const FIELDS: Readonly<Record<string, RuleReader>> = {
  name: readNameRule,
  type: readTypeRule,
  class: readClassRule,
  edns0: readEdns0Rule,
  ttl: readTtlRule,
  cname: readCnameRule,
  rcode: readRcodeRule,
};

export const rewritePlugin: PluginType = {
  name: "rewrite",
  stanzas: "together",
  setup(_first, env, all) {
    const rules = all.map((stanza) => readRule(stanza, env));
    const options = new Set(rules.flatMap(({ rule }) => rule.option ?? []));
    return {
      name: "rewrite",
      serve(query, next) {
        let asked: Query = options.size > 0 && query.edns ? { ...query, edns: { ...query.edns, shown: options } } : query;
        const responses: ResponseRule[] = [];
        let stopped = false;
        for (const { rule, stop } of rules) {
          const rewritten = rule.rewrite(asked);
          if (!rewritten) continue;
          asked = rewritten.query;
          if (!isDomainName(asked.question.name))
            return failedReply("SERVFAIL", "rewrite", `invalid name after rewrite: ${asked.question.name}`);
          responses.unshift(...rewritten.responses.toReversed());
          if ((stopped = stop)) break;
        }
        const writes = stopped || responses.length > 0;
        if (asked === query) return writes ? then(next(query), (reply) => answered(written(reply), query, query, responses)) : next(query);
        if (asked.edns && options.size > 0) asked = { ...asked, edns: { ...asked.edns, shown: options } };
        return then(next(asked), (reply) => answered(writes ? written(reply) : reply, asked, query, responses));
      },
    };
  },
};

/** A code that came back becomes a message here, so that the rules apply to it. */
function written(reply: Reply): Reply {
  if (!reply.unwritten) return reply;
  const { unwritten: _unwritten, ...rest } = reply;
  return { ...rest, returned: "NOERROR" };
}

/** The reply as the client sees it. */
function answered(reply: Reply, asked: Query, original: Query, responses: readonly ResponseRule[]): MaybeReply {
  let changed: MaybeReply = reply;
  for (const rule of responses) {
    if (rule.record) changed = then(changed, (each) => withRecords(each, rule.record ?? ((record) => record)));
    if (rule.message) changed = then(changed, (each) => rule.message?.(each) ?? each);
  }
  const edns = responses.reduce((shown, rule) => (shown && rule.edns ? rule.edns(shown) : shown), reply.edns ?? asked.edns);
  const text = `${original.question.name} was asked as ${asked.question.name}`;
  const why = asked.name === original.name ? [] : [{ plugin: "rewrite", text }];
  const options = edns !== undefined && edns !== original.edns;
  return then(changed, (each) => ({
    ...each,
    why: [...why, ...each.why],
    ...(asked === original ? {} : { asked: each.asked ?? asked.question }),
    ...(options ? { edns } : {}),
    ...(options || responses.some((rule) => rule.volatile) ? { volatile: true } : {}),
  }));
}

function withRecords(reply: Reply, change: NonNullable<ResponseRule["record"]>): Reply {
  const { answers, authorities, additionals } = reply;
  return { ...reply, answers: answers.map(change), authorities: authorities.map(change), additionals: additionals.map(change) };
}

/** `rewrite [continue|stop] FIELD …`; what is not on the line may stand in a block, line by line. */
function readRule(stanza: Directive, env: PluginEnv): { readonly rule: RewriteRule; readonly stop: boolean } {
  const inBlock = stanza.args.length < 2;
  if (!inBlock && stanza.body[0]) throw new CorefileError("a rule on one line takes no block", stanza.body[0].name);
  const tokens: readonly Token[] = inBlock ? [...stanza.args, ...stanza.body.flatMap((line) => [line.name, ...line.args])] : stanza.args;
  const [first] = tokens;
  if (!first) throw new CorefileError("no rule type specified for rewrite", stanza.name);
  const mode = first.text.toLowerCase();
  const explicit = mode === "continue" || mode === "stop";
  const field = explicit ? tokens[1] : first;
  if (!field) throw new CorefileError(`${mode} rule must begin with a rule type`, first);
  const name = field.text.toLowerCase();
  if (name === "answer") throw new CorefileError("response rewrites must begin with a name rule", field);
  const read = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  if (!read) throw new CorefileError(`invalid rule type "${field.text}"`, field);
  const words = tokens.slice(explicit ? 2 : 1).map((token) => token.text);
  return { rule: read(words, field, env), stop: mode !== "continue" };
}
