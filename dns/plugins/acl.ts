// acl: who may ask what: by zone, type and the client's address a query is allowed, blocked (REFUSED), filtered (no records) or dropped.
// Upstream: CoreDNS plugin/acl. The first policy that fits decides, in the first of the stanzas where one does; without any the query goes on.
import { canonicalIp, Cidr, isCidr } from "../../model/ip.ts";
import { CorefileError } from "../corefile.ts";
import type { Directive, Token } from "../corefile.ts";
import { emptyReply, then } from "../message.ts";
import type { Query, Reply } from "../message.ts";
import { matchZone } from "../name.ts";
import { zonesFrom } from "../plugin.ts";
import type { DnsPlugin, MaybeReply, Next, PluginEnv, PluginType } from "../plugin.ts";
import { typeCode, typeName } from "../record.ts";

const ACTIONS = { allow: "allowed", block: "blocked", filter: "filtered", drop: "dropped" } as const;
type Action = keyof typeof ACTIONS;
/** Extended DNS Errors (RFC 8914). */
const EDE = 15;
const SHOWN: ReadonlySet<number> = new Set([EDE]);
/** For clients that have not said how much they take. */
const UDP_BYTES = 4096;
const EDE_CODES: Readonly<Partial<Record<Action, number>>> = { block: 15, filter: 17 };

interface Policy {
  readonly action: Action;
  /** Undefined: all. */
  readonly types: ReadonlySet<number> | undefined;
  readonly nets: readonly Cidr[] | undefined;
}
interface Rule {
  readonly zones: readonly string[];
  readonly policies: readonly Policy[];
}

export const aclPlugin: PluginType = {
  name: "acl",
  stanzas: "together",
  setup: (_first, env, all) =>
    new Acl(
      all.map((stanza) => ({ zones: zonesFrom(stanza.args, env), policies: stanza.body.map(readPolicy) })),
      env,
    ),
};

class Acl implements DnsPlugin {
  readonly name = "acl";
  readonly #rules: readonly Rule[];
  readonly #env: PluginEnv;

  constructor(rules: readonly Rule[], env: PluginEnv) {
    this.#rules = rules;
    this.#env = env;
  }

  serve(query: Query, next: Next): MaybeReply {
    for (const { zones, policies } of this.#rules) {
      const zone = matchZone(query.name, zones);
      const policy = zone === undefined ? undefined : policies.find((candidate) => fits(candidate, query));
      if (!policy || zone === undefined) continue;
      if (policy.action === "allow") break;
      this.#count(policy.action, { zone });
      return refusal(policy.action, query);
    }
    this.#count("allow", {});
    // Another client may not be given what this one may.
    return then(next(query), (reply) => ({ ...reply, volatile: true }));
  }

  #count(action: Action, zone: { readonly zone?: string }): void {
    const labels = { server: this.#env.server, ...zone, view: "" };
    this.#env.metrics.counter(`coredns_acl_${ACTIONS[action]}_requests_total`, labels).value++;
  }
}

function fits({ types, nets }: Policy, { question, client }: Query): boolean {
  if (types && !types.has(question.type)) return false;
  const ip = canonicalIp(client.ip.replace(/%.*/, ""));
  return nets === undefined || (ip !== undefined && nets.some((net) => net.contains(ip)));
}

/** The OPT record that tells why goes to everybody, with the DO bit set. */
function refusal(action: Action, { edns, question, client }: Query): Reply {
  const text = `${typeName(question.type)} from ${client.ip} is ${ACTIONS[action]}`;
  const code = EDE_CODES[action];
  return {
    ...emptyReply(action === "block" ? "REFUSED" : "NOERROR", "acl", text),
    volatile: true,
    ...(action === "drop" ? { dropped: true } : {}),
    ...(code === undefined
      ? {}
      : {
          edns: { udpSize: UDP_BYTES, version: 0, ...edns, do: true, options: [{ code: EDE, data: Buffer.from([0, code]) }], shown: SHOWN },
        }),
  };
}

/** `ACTION [type TYPE…] [net BLOCK…]`. */
function readPolicy(line: Directive): Policy {
  const action = line.name.text.toLowerCase();
  if (!isAction(action))
    throw new CorefileError(`unexpected token "${line.name.text}"; expect 'allow', 'block', 'filter' or 'drop'`, line.name);
  let types: Policy["types"];
  let nets: Policy["nets"];
  for (const [section, ...tokens] of sectionsOf(line.args)) {
    if (!isSection(section)) throw new CorefileError(`unexpected token "${section.text}"; expect 'type | net'`, section);
    const kind = section.text.toLowerCase();
    if (tokens.length === 0) throw new CorefileError(`no token specified in "${kind}" section`, section);
    const isAll = tokens.some(({ text }) => text === "*");
    if (kind === "type") types = isAll ? undefined : new Set(tokens.map(readType));
    else nets = isAll ? undefined : tokens.map(readNet);
  }
  return { action, types, nets };
}

const isAction = (text: string): text is Action => Object.hasOwn(ACTIONS, text);
const isSection = ({ text }: Token): boolean => /^(type|net)$/i.test(text);

/** Each begins with its keyword. */
function sectionsOf(args: readonly Token[]): readonly (readonly [Token, ...Token[]])[] {
  const sections: [Token, ...Token[]][] = [];
  for (const token of args) {
    const last = sections.at(-1);
    if (!last || isSection(token)) sections.push([token]);
    else last.push(token);
  }
  return sections;
}

function readType(token: Token): number {
  const code = typeCode(token.text);
  if (code === undefined || token.text !== token.text.toUpperCase())
    throw new CorefileError(`unexpected token "${token.text}"; expect legal QTYPE`, token);
  return code;
}

function readNet(token: Token): Cidr {
  const { text } = token;
  const block = text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`;
  if (!isCidr(block)) throw new CorefileError(`illegal CIDR notation "${block}"`, token);
  return new Cidr(block);
}
