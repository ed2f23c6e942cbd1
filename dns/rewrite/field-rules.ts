// rewrite type, class, ttl, rcode and cname.
// Upstream: CoreDNS plugin/rewrite/{type,class,ttl,rcode,cname_target}.go.
import type { Token } from "../corefile.ts";
import { isRcode, rcodeOf, requery, then } from "../message.ts";
import type { Query, Rcode, Reply } from "../message.ts";
import { classCode, typeCode, withTtl } from "../record.ts";
import type { ResourceRecord } from "../record.ts";
import type { MaybeReply } from "../plugin.ts";
import { compilePattern, invalid, MATCH_TYPES, nameMatcher, normal } from "./rule.ts";
import type { RewriteRule, RuleReader } from "./rule.ts";

const MAX_TTL = 2 ** 31 - 1;

export const readTypeRule: RuleReader = (words, at) => {
  if (words.length !== 2) return invalid("type rules must have exactly two arguments", at);
  const [from, to] = words.map((word) => typeCode(word) ?? invalid(`invalid type "${word.toUpperCase()}"`, at));
  return {
    rewrite(query) {
      const { question } = query;
      return question.type === from && to !== undefined
        ? { query: { ...query, question: { ...question, type: to } }, responses: [] }
        : undefined;
    },
  };
};

export const readClassRule: RuleReader = (words, at) => {
  if (words.length !== 2) return invalid("class rules must have exactly two arguments", at);
  const [from, to] = words.map((word) => classCode(word) ?? invalid(`invalid class "${word.toUpperCase()}"`, at));
  return {
    rewrite(query) {
      const { question } = query;
      return question.class === from && to !== undefined
        ? { query: { ...query, question: { ...question, class: to } }, responses: [] }
        : undefined;
    },
  };
};

export const readTtlRule: RuleReader = (words, at) => {
  const { matches, rest } = readMatch("ttl", words, 1, at);
  const [text = ""] = rest;
  const parts = /^(?:(\d+)|(\d*)-(\d*))$/.exec(text);
  const [min, max] =
    parts?.[1] === undefined
      ? [Number(parts?.[2]), Number(parts?.[3] === "" ? MAX_TTL : parts?.[3])]
      : [Number(parts[1]), Number(parts[1])];
  if (!parts || text === "-" || !(min <= max) || max > 2 ** 32 - 1) return invalid(`invalid TTL '${text}' for a ttl rule`, at);
  const record = (each: ResourceRecord): ResourceRecord => withTtl(each, Math.min(Math.max(each.ttl, min), max));
  return { rewrite: (query) => (matches(query.name) ? { query, responses: [{ record, volatile: true }] } : undefined) };
};

export const readRcodeRule: RuleReader = (words, at) => {
  const { matches, rest } = readMatch("rcode", words, 2, at);
  const [from, to] = rest.map(
    (word, index) => readRcode(word) ?? invalid(`invalid ${index === 0 ? "matching" : "replacement"} RCODE '${word}' for a rcode rule`, at),
  );
  const message = (reply: Reply): Reply => (reply.rcode === from && to !== undefined ? { ...reply, rcode: to } : reply);
  return { rewrite: (query) => (matches(query.name) ? { query, responses: [{ message }] } : undefined) };
};

function readRcode(word: string): Rcode | undefined {
  if (/^\d+$/.test(word)) return rcodeOf(Number(word));
  const upper = word.toUpperCase();
  if (upper === "BADSIG") return "BADVERS";
  return isRcode(upper) ? upper : undefined;
}

/** `[exact|prefix|suffix|substring|regex] STRING` and the `count` words behind it. */
function readMatch(
  field: string,
  words: readonly string[],
  count: number,
  at: Token,
): { readonly matches: (name: string) => boolean; readonly rest: readonly string[] } {
  if (words.length < count + 1) return invalid(`too few (${words.length}) arguments for a ${field} rule`, at);
  if (words.length > count + 2) return invalid(`many few arguments for a ${field} rule`, at);
  const [type = "", from = "", ...rest] = words.length === count + 1 ? ["exact", ...words] : [words[0]?.toLowerCase(), ...words.slice(1)];
  if (!MATCH_TYPES.has(type)) return invalid(`${field} rule supports only exact, prefix, suffix, substring, and regex name matching`, at);
  return { matches: nameMatcher(type, from, at, field), rest };
}

/** The target of a CNAME in the answer becomes another, whose records take the place of what followed. */
export const readCnameRule: RuleReader = (words, at, env): RewriteRule => {
  if (words.length < 2 || words.length > 3) return invalid(`too few (${words.length}) arguments for a cname rule`, at);
  const [type = "", from = "", to = ""] = (words.length === 2 ? ["exact", ...words] : words).map((word) => word.toLowerCase());
  if (!MATCH_TYPES.has(type)) return invalid(`unknown cname rewrite type: ${type}`, at);
  const renamed = targetRenamer(type, from, to, at);
  const message = (reply: Reply, asked: Query): MaybeReply => {
    const index = reply.answers.findIndex((record) => record.type === "CNAME" && renamed(record.target) !== undefined);
    const cname = reply.answers[index];
    const target = cname?.type === "CNAME" ? renamed(cname.target) : undefined;
    if (cname?.type !== "CNAME" || target === undefined) return reply;
    const kept = reply.answers.slice(0, index).filter((record) => record.type === "CNAME");
    return then(env.ask(requery(asked, target)), (other) => {
      const { rcode, authorities, additionals, aa } = reply;
      const why = [{ plugin: "rewrite", text: `CNAME ${cname.target} became ${target}` }, ...other.why];
      return {
        rcode,
        authorities,
        additionals,
        aa,
        answers: [...kept, { ...cname, target }, ...other.answers],
        tc: other.tc ?? false,
        why,
      };
    });
  };
  return { rewrite: (query) => ({ query, responses: [{ message: (reply) => message(reply, query), volatile: true }] }) };
};

/** Only exact rules make fully qualified names of their words: parts of names stand as they are written. */
function targetRenamer(type: string, from: string, to: string, at: Token): (target: string) => string | undefined {
  switch (type) {
    case "prefix":
      return (target) => (target.startsWith(from) ? to + target.slice(from.length) : undefined);
    case "suffix":
      return (target) => (target.endsWith(from) ? target.slice(0, -from.length) + to : undefined);
    case "substring":
      return (target) => (target.includes(from) ? target.replaceAll(from, to) : undefined);
    case "regex": {
      const pattern = compilePattern(from, at, {
        long: "regex pattern too long in a cname rule",
        wrong: "invalid cname rewrite regex pattern",
      });
      return (target) => {
        const found = pattern.exec(target);
        return found ? to.replace(/\{(\d+)\}/g, (whole, index: string) => found[Number(index)] ?? whole) : undefined;
      };
    }
    default:
      return (target) => (target === normal(from) ? normal(to) : undefined);
  }
}
