// rewrite name: another name is asked; `answer auto`, `answer name` and `answer value` say what the answer shows.
// Upstream: CoreDNS plugin/rewrite/name.go. Exact rules always put the client's name back; the others do when told.
import type { Token } from "../corefile.ts";
import type { Query } from "../message.ts";
import type { ResourceRecord } from "../record.ts";
import { renamedData } from "./raw-name.ts";
import { invalid, MATCH_TYPES, normal, substitution } from "./rule.ts";
import type { ResponseRule, RewriteRule, RuleReader } from "./rule.ts";

type Rename = (name: string) => string | undefined;

export const readNameRule: RuleReader = (words, at) => {
  if (words.length < 2) return invalid("too few arguments for a name rule", at);
  const [type = "", from = "", to = ""] = words.length === 2 ? ["exact", ...words] : [words[0]?.toLowerCase(), ...words.slice(1)];
  const { auto, rules } = words.length > 3 ? readAnswers(type, words.slice(3), at) : { auto: false, rules: [] };
  if (!MATCH_TYPES.has(type))
    return invalid(`name rule supports only exact, prefix, suffix, substring, and regex name matching, received: ${type}`, at);
  const rename = renamer(type, from, to, at);
  if (type === "suffix") return rule(rename, () => [...(auto ? shown(suffixed(normal(to), normal(from))) : []), ...rules]);
  const puttingBack = (asked: string, before: string): readonly ResponseRule[] => [...shown(remapped(asked, before)), ...rules];
  return rule(rename, auto || type === "exact" ? puttingBack : () => rules);
};

function rule(rename: Rename, responses: (asked: string, before: string) => readonly ResponseRule[]): RewriteRule {
  return {
    rewrite(query: Query) {
      const name = rename(query.name);
      if (name === undefined) return undefined;
      const asked = { ...query, name: name.toLowerCase(), question: { ...query.question, name } };
      return { query: asked, responses: responses(name, query.name) };
    },
  };
}

/** The new name of a lower-case name; undefined when it does not match. */
function renamer(type: string, from: string, to: string, at: Token): Rename {
  if (type === "regex") return substitution(from, to, at);
  const [text, replacement] = [normal(from), normal(to)];
  switch (type) {
    case "prefix":
      return (name) => (name.startsWith(text) ? replacement + name.slice(text.length) : undefined);
    case "suffix":
      return (name) => (name.endsWith(text) ? name.slice(0, -text.length) + replacement : undefined);
    case "substring":
      return (name) => (name.includes(text) ? name.replaceAll(text, replacement) : undefined);
    default:
      return (name) => (name === text ? replacement : undefined);
  }
}

/** One renaming of both owners and the names in records. */
const shown = (rename: Rename): readonly ResponseRule[] => [
  { record: (record) => renamedOwner(record, rename) },
  { record: (record) => renamedValue(record, rename) },
];

/** The name asked and names below it go back to what they were. */
const remapped =
  (asked: string, before: string): Rename =>
  (name) =>
    name === asked ? before : name.endsWith(`.${asked}`) ? name.slice(0, -asked.length) + before : undefined;

const suffixed =
  (from: string, to: string): Rename =>
  (name) =>
    name.endsWith(from) ? name.slice(0, -from.length) + to : undefined;

function renamedOwner(record: ResourceRecord, rename: Rename): ResourceRecord {
  const name = rename(record.name);
  return name === undefined ? record : { ...record, name };
}

/** The name that a record holds, in another form. */
function renamedValue(record: ResourceRecord, rename: Rename): ResourceRecord {
  switch (record.type) {
    case "CNAME":
    case "PTR":
    case "NS":
      return { ...record, target: rename(record.target) ?? record.target };
    case "SRV":
      return { ...record, target: rename(record.target) ?? record.target };
    case "MX":
      return { ...record, exchange: rename(record.exchange) ?? record.exchange };
    case "SOA":
      return { ...record, mname: rename(record.mname) ?? record.mname };
    case "RAW":
      return { ...record, data: renamedData(record.code, record.data, rename) };
    default:
      return record;
  }
}

/** `answer (auto | (name|value FROM TO)) { [answer] … }`. */
function readAnswers(
  type: string,
  words: readonly string[],
  at: Token,
): { readonly auto: boolean; readonly rules: readonly ResponseRule[] } {
  if (words.length < 2) return invalid(`invalid arguments for ${type} rule`, at);
  if (words[0] !== "answer") return invalid(`exceeded the number of arguments for a non-answer rule argument for ${type} rule`, at);
  const rules: ResponseRule[] = [];
  let auto = false;
  let named = false;
  for (let i = 0; i < words.length;) {
    if (words[i] === "answer") i++;
    const kind = words[i++];
    if (kind === undefined) return invalid(`type missing for answer rule for ${type} rule`, at);
    if (kind === "auto") {
      auto = true;
      continue;
    }
    if (kind !== "name" && kind !== "value") return invalid(`invalid type "${kind}" for answer rule for ${type} rule`, at);
    const [from, to] = [words[i++], words[i++]];
    if (from === undefined || to === undefined) return invalid(`${kind} answer rule for ${type} rule: 2 arguments required`, at);
    const rename = substitution(from, to, at, `${kind} answer rule for ${type} rule: `);
    named ||= kind === "name";
    rules.push({ record: (record) => (kind === "name" ? renamedOwner(record, rename) : renamedValue(record, rename)) });
  }
  if (auto && named) return invalid("auto name answer rule cannot be combined with explicit name anwer rules", at);
  return { auto, rules };
}
