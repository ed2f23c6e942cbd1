// transfer: AXFR and IXFR over TCP of the zones that another plugin of the block can list, to clients allowed.
// Upstream: CoreDNS plugin/transfer. Left out: NOTIFY and TSIG, so `source` has no effect. A transfer is one reply; the server splits it into messages.
import { Cidr, canonicalIp, isCidr } from "../../model/ip.ts";
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import { bareCode, emptyReply } from "../message.ts";
import type { Query } from "../message.ts";
import { matchZone } from "../name.ts";
import { argumentError, zonesFrom } from "../plugin.ts";
import type { PluginEnv, PluginType } from "../plugin.ts";
import type { ResourceRecord } from "../record.ts";

const [AXFR, IXFR] = [252, 251];

interface Rule {
  readonly zones: readonly string[];
  permits(ip: string): boolean;
}

export const transferPlugin: PluginType = {
  name: "transfer",
  stanzas: "together",
  setup(_first, env, all) {
    const rules = all.map((stanza) => readRule(stanza, env));
    return {
      name: "transfer",
      serve(query, next) {
        const { type } = query.question;
        if (type !== AXFR && type !== IXFR) return next(query);
        if (query.transport !== "tcp") return bareCode("REFUSED", "transfer", "transfers are made over TCP");
        const zone = matchZone(
          query.name,
          rules.flatMap((rule) => rule.zones),
        );
        const rule = rules.find(({ zones }) => zone !== undefined && zones.includes(zone));
        if (!rule) return next(query);
        if (!rule.permits(query.client.ip)) return emptyReply("REFUSED", "transfer", `${query.client.ip} may not transfer`);
        if (type === IXFR && query.ixfrSerial === undefined)
          return bareCode("SERVFAIL", "transfer", "an IXFR needs a SOA in its authority section");
        const serial = type === IXFR ? (query.ixfrSerial ?? 0) : 0;
        for (const plugin of env.plugins()) {
          const answers = plugin.transfer?.(query.name, serial);
          if (!answers) continue;
          const text = `${answers.length} records from plugin ${plugin.name}`;
          const isCurrent = answers.length === 1;
          env.log(`[INFO] plugin/transfer: ${isCurrent ? currentText(query, answers) : sentText(query, answers)}`);
          return { ...emptyReply("NOERROR", "transfer", text), aa: !isCurrent, answers, volatile: true };
        }
        return next(query);
      },
    };
  },
};

const serialOf = ([soa]: readonly ResourceRecord[]): number => (soa?.type === "SOA" ? soa.serial : 0);

function sentText({ question, client }: Query, records: readonly ResourceRecord[]): string {
  return `Outgoing transfer of ${records.length} records of zone "${question.name}" to ${client.ip} for ${serialOf(records)} SOA serial`;
}

function currentText({ question, client }: Query, records: readonly ResourceRecord[]): string {
  const zone = `up to date zone "${question.name}" to ${client.ip}`;
  return `Outgoing noop, incremental transfer for ${zone} for ${serialOf(records)} SOA serial`;
}

function readRule(stanza: Directive, env: PluginEnv): Rule {
  const allowed: ((ip: string) => boolean)[] = [];
  let source: Directive | undefined;
  for (const line of stanza.body) {
    if (line.name.text === "source") {
      const [ip] = line.args;
      if (!ip || line.args.length > 1) argumentError(line);
      if (source) throw new CorefileError("source already specified", line.name);
      if (canonicalIp(ip.text) === undefined) throw new CorefileError(`invalid source address "${ip.text}"`, ip);
      source = line;
      continue;
    }
    if (line.name.text !== "to") throw new CorefileError(`unknown property "${line.name.text}"`, line.name);
    if (line.args.length === 0) argumentError(line);
    for (const token of line.args) {
      const text = canonicalIp(token.text) ?? token.text.replace(/^\[?(.*?)\]?(?::\d+)?$/, "$1");
      if (token.text === "*") allowed.push(() => true);
      else if (isCidr(text)) allowed.push((ip) => new Cidr(text).contains(ip));
      else if (canonicalIp(text) !== undefined) allowed.push((ip) => ip === canonicalIp(text));
      else throw new CorefileError(`not an IP address or file: "${token.text}"`, token);
    }
  }
  if (allowed.length === 0) throw new CorefileError("'to' is required", stanza.name);
  return { zones: zonesFrom(stanza.args, env), permits: (ip) => allowed.some((permits) => permits(ip)) };
}
