// rewrite: asks another name or type than the client did; with `answer auto` or `answer name` it puts the client's name back into the answer.
// Upstream: CoreDNS plugin/rewrite. Left out: class, edns0, ttl, cname and rcode rules.
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import { then } from "../message.ts";
import type { Query, Reply } from "../message.ts";
import { fqdn } from "../name.ts";
import { argumentError, unknownProperty } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";
import { typeCode } from "../record.ts";
import type { ResourceRecord } from "../record.ts";

interface Rule {
  readonly stop: boolean;
  /** The rewritten query, or undefined when the rule does not match. */
  request(query: Query): Query | undefined;
  reply?(reply: Reply): Reply;
}

const MATCHES = ["exact", "prefix", "suffix", "substring", "regex"];

export const rewritePlugin: PluginType = {
  name: "rewrite",
  stanzas: "together",
  setup(_first, _env, all) {
    const rules = all.map((stanza) => {
      const options = stanza.body.map((line) => (line.name.text === "answer" ? line : unknownProperty(line)));
      return readRule({ ...stanza, args: [...stanza.args, ...options.flatMap((line) => [line.name, ...line.args])] });
    });
    return {
      name: "rewrite",
      serve(query, next) {
        let current = query;
        const matched: Rule[] = [];
        for (const rule of rules) {
          const rewritten = rule.request(current);
          if (!rewritten) continue;
          current = rewritten;
          matched.unshift(rule);
          if (rule.stop) break;
        }
        if (matched.length === 0) return next(query);
        return then(next(current), (reply) => {
          const replied = matched.reduce((result, rule) => rule.reply?.(result) ?? result, restoreOwner(reply, current, query));
          const text = `${query.question.name} was asked as ${current.question.name}`;
          return { ...replied, why: [{ plugin: "rewrite", text }, ...replied.why] };
        });
      },
    };
  },
};

/** The question's name goes back to what the client asked; other names stay. */
function restoreOwner(reply: Reply, asked: Query, original: Query): Reply {
  const owned = (record: ResourceRecord): ResourceRecord =>
    record.name.toLowerCase() === asked.name ? { ...record, name: original.question.name } : record;
  return asked.name === original.name ? reply : { ...reply, answers: reply.answers.map(owned) };
}

function readRule(stanza: Directive): Rule {
  const words = stanza.args.map((token) => token.text);
  const stop = words[0] === "continue" ? (words.shift(), false) : words[0] === "stop" ? (words.shift(), true) : true;
  const field = words.shift();
  if (field === "type") {
    const [from, to] = words.map((word) => typeCode(word));
    if (from === undefined || to === undefined) throw new CorefileError(`invalid RR type in rewrite rule`, stanza.name);
    return {
      stop,
      request: (query) => (query.question.type === from ? { ...query, question: { ...query.question, type: to } } : undefined),
    };
  }
  if (field !== "name") throw new CorefileError(`invalid rule type "${field ?? ""}"`, stanza.args[0] ?? stanza.name);
  const match = MATCHES.includes(words[0] ?? "") ? (words.shift() ?? "exact") : "exact";
  const [from, to, ...options] = words;
  if (from === undefined || to === undefined) return argumentError(stanza);
  const rename = renamer(match, from, to, stanza);
  const [answerWord, kind, pattern, replacement] = options;
  if (answerWord !== undefined && answerWord !== "answer") throw new CorefileError(`unexpected "${answerWord}"`, stanza.name);
  const request = (query: Query): Query | undefined => {
    const name = rename(query.name);
    return name === undefined || name === query.name ? undefined : { ...query, name, question: { ...query.question, name } };
  };
  if (kind !== "name" && kind !== "value") return { stop, request };
  const back = renamer("regex", pattern ?? "", replacement ?? "", stanza);
  const renamed = (name: string): string => back(name.toLowerCase()) ?? name;
  const reply = (original: Reply): Reply => ({
    ...original,
    answers: original.answers.map((record) => {
      if (kind === "name") return { ...record, name: renamed(record.name) };
      return "target" in record ? { ...record, target: renamed(record.target) } : record;
    }),
  });
  return { stop, request, reply };
}

/** Gives the new name, or undefined when the old one does not match. */
function renamer(match: string, from: string, to: string, stanza: Directive): (name: string) => string | undefined {
  const lower = from.toLowerCase();
  switch (match) {
    case "prefix":
      return (name) => (name.startsWith(lower) ? to + name.slice(lower.length) : undefined);
    case "suffix":
      return (name) => (name.endsWith(fqdn(lower)) ? name.slice(0, name.length - fqdn(lower).length) + fqdn(to) : undefined);
    case "substring":
      return (name) => (name.includes(lower) ? name.replaceAll(lower, to) : undefined);
    case "regex": {
      const pattern = compile(from, stanza);
      return (name) => {
        const groups = pattern.exec(name);
        return groups ? fqdn(to.replace(/\{(\d+)\}/g, (_, index: string) => groups[Number(index)] ?? "")) : undefined;
      };
    }
    default:
      return (name) => (name === fqdn(lower) ? fqdn(to) : undefined);
  }
}

function compile(pattern: string, stanza: Directive): RegExp {
  try {
    return new RegExp(pattern);
  } catch (error) {
    throw new CorefileError(`invalid regex pattern "${pattern}": ${error instanceof Error ? error.message : ""}`, stanza.name);
  }
}
