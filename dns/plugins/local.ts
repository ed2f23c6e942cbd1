// local: localhost, names below it or beginning with it, and the reverse zones of addresses that are nobody's. Upstream: CoreDNS plugin/local.
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import { emptyReply } from "../message.ts";
import type { Query, Reply } from "../message.ts";
import { matchZone } from "../name.ts";
import { argumentError, unknownProperty } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";
import type { ResourceRecord } from "../record.ts";

const [A, NS, SOA, PTR, AAAA] = [1, 2, 6, 12, 28];
const TTL = 604_800;
const LOCALHOST = "localhost.";
const ZONES = [LOCALHOST, "0.in-addr.arpa.", "127.in-addr.arpa.", "255.in-addr.arpa."];

export const localPlugin: PluginType = {
  name: "local",
  setup(stanza, env) {
    const prefix = readStanza(stanza);
    return {
      name: "local",
      serve(query, next) {
        const { name } = query;
        if (name.endsWith(`.${LOCALHOST}`) || (prefix && name !== LOCALHOST && name.startsWith(LOCALHOST))) {
          env.metrics.counter("coredns_local_localhost_requests_total", {}).value++;
          return reply(loopback(query) ?? [], soaOf(query.question.name));
        }
        const zone = matchZone(name, ZONES);
        if (zone === undefined) return next(query);
        const spelled = query.question.name.slice(-zone.length);
        if (name === zone) return reply(apex(query), soaOf(spelled));
        if (name !== "1.0.0.127.in-addr.arpa.") return { ...reply([], soaOf(spelled)), rcode: "NXDOMAIN" };
        const pointer: ResourceRecord = { name: query.question.name, type: "PTR", ttl: TTL, target: LOCALHOST };
        return reply(query.question.type === PTR ? [pointer] : [], soaOf(spelled));
      },
    };
  },
};

function readStanza(stanza: Directive): boolean {
  if (stanza.args.length > 0) argumentError(stanza);
  let prefix = true;
  for (const line of stanza.body) {
    if (line.name.text !== "localhost_prefix") unknownProperty(line);
    const [token] = line.args;
    if (!token || line.args.length > 1) argumentError(line);
    if (token.text !== "on" && token.text !== "off")
      throw new CorefileError(`localhost_prefix expects 'on' or 'off', got "${token.text}"`, token);
    prefix = token.text === "on";
  }
  return prefix;
}

function reply(answers: readonly ResourceRecord[], soa: ResourceRecord): Reply {
  return { ...emptyReply("NOERROR", "local", "never asked of others"), answers, authorities: answers.length === 0 ? [soa] : [] };
}

function loopback({ question: { name, type } }: Query): readonly ResourceRecord[] | undefined {
  if (type === A) return [{ name, type: "A", ttl: TTL, address: "127.0.0.1" }];
  return type === AAAA ? [{ name, type: "AAAA", ttl: TTL, address: "::1" }] : undefined;
}

function apex(query: Query): readonly ResourceRecord[] {
  const { name, type } = query.question;
  if (type === SOA) return [soaOf(name)];
  if (type === NS) return [{ name, type: "NS", ttl: TTL, target: LOCALHOST }];
  return (query.name === LOCALHOST ? loopback(query) : undefined) ?? [];
}

function soaOf(name: string): ResourceRecord {
  const times = { serial: 1, refresh: 0, retry: 0, expire: 0, minimum: TTL };
  return { name, type: "SOA", ttl: TTL, mname: LOCALHOST, rname: `root.${LOCALHOST}`, ...times };
}
