// Why a name resolves, or does not: each name of the search ladder with the plugin that answered, the object it came from, and hints.
// Upstream: none. Asks the live Corefile's chain in this process; nothing is sent.
import type { ExplainAnswer, Peer } from "../model/ports.ts";
import type { Chain } from "./chain.ts";
import type { Query, Reply } from "./message.ts";
import { fqdn, labelsOf, reverseOfAddress } from "./name.ts";
import { canonicalIp } from "../model/ip.ts";
import { dataText, recordType, typeCode } from "./record.ts";
import { searchNames } from "./resolver.ts";
import type { Zone } from "./zone.ts";

const SHOWN_RECORDS = 8;
const NDOTS = 5;

/** What a question is explained with. */
export interface ExplainContext {
  readonly chain: Chain;
  readonly zone: Zone;
  /** Cluster domain. */
  readonly domain: string;
  /** Said first: a Corefile that cannot be used, no server. */
  readonly warnings: readonly string[];
}

/** One rung of the search ladder. */
interface Rung {
  readonly name: string;
  readonly reply: Reply;
}

/** The names that this client asks, up to the first that has the wanted records. `namespace` is whose search path it has, if any. */
async function climb(
  { chain, domain }: ExplainContext,
  from: Peer,
  namespace: string | undefined,
  name: string,
  type: string,
): Promise<readonly Rung[]> {
  const searches = namespace === undefined ? [] : [`${namespace}.svc.${domain}`, `svc.${domain}`, domain];
  const options = namespace === undefined ? [] : [`ndots:${NDOTS}`];
  const rungs: Rung[] = [];
  for (const candidate of searchNames({ nameservers: [], searches, options }, name)) {
    const reply = await chain.serve(question(candidate, type, from.ip));
    rungs.push({ name: candidate, reply });
    if (reply.answers.length > 0) break;
  }
  return rungs;
}

/** The address behind a host name, for the features after DNS; who is no pod asks as one of namespace default, as the gateway does. */
export async function explainHost(context: ExplainContext, from: Peer, host: string): Promise<ExplainAnswer> {
  const ask = (type: string): Promise<readonly Rung[]> =>
    climb(context, from, from.kind === "pod" ? from.namespace : "default", host, type);
  const rungs = await ask("A");
  const lines = [...context.warnings, ...rungs.flatMap(({ name, reply }) => replyLines(name, "A", reply))];
  const address = rungs.at(-1)?.reply.answers.find((record) => record.type === "A");
  if (address?.type === "A") return { title: `DNS: ${host}`, lines, ip: address.address };
  const ofSix = rungs.some(({ reply }) => reply.rcode === "NOERROR") ? (await ask("AAAA")).at(-1) : undefined;
  const six = ofSix?.reply.answers.find((record) => record.type === "AAAA");
  if (!ofSix || six?.type !== "AAAA") return { title: `DNS: ${host}`, lines };
  return { title: `DNS: ${host}`, lines: [...context.warnings, ...replyLines(ofSix.name, "AAAA", ofSix.reply)], ip: six.address };
}

/**
 * Every question that a client sends for a name, and what comes of it; who is no pod asks as one of namespace default.
 * An address with type PTR is asked by its reverse name.
 */
export async function explainName(context: ExplainContext, from: Peer, name: string, type: string): Promise<readonly ExplainAnswer[]> {
  const ip = type === "PTR" ? canonicalIp(name) : undefined;
  const asked = ip === undefined ? name : reverseOfAddress(ip);
  const rungs = await climb(context, from, from.kind === "pod" ? from.namespace : "default", asked, type);
  const steps = rungs.map(({ name: candidate, reply }, index): ExplainAnswer => {
    const [title = "", ...lines] = replyLines(candidate, type, reply);
    return { title: `${index + 1}. ${title}`, lines: lines.map((line) => line.trim()) };
  });
  const last = rungs.at(-1)?.reply;
  const found = last !== undefined && last.answers.length > 0;
  const summary = found
    ? `found with question ${rungs.length}${rungs.length > 1 ? `: the ${rungs.length - 1} before it went through the search path (ndots:${NDOTS})` : ""}`
    : `no ${type} record after ${rungs.length} question${rungs.length === 1 ? "" : "s"}`;
  const lines = [...context.warnings, ...(found ? [] : hints(context, asked, type, rungs))];
  return [...steps, { title: `DNS: ${summary}`, lines }];
}

function hints({ zone, domain }: ExplainContext, name: string, type: string, rungs: readonly Rung[]): readonly string[] {
  const lines: string[] = [];
  const [first = ""] = labelsOf(fqdn(name.toLowerCase()));
  const elsewhere = [...zone.local.services.values()].filter((service) => service.name === first).map((service) => service.namespace);
  if (rungs.some(({ reply }) => reply.rcode === "NOERROR")) lines.push(`the name exists, but has no ${type} record`);
  else if (elsewhere.length > 0) lines.push(`a Service named "${first}" exists in: ${elsewhere.join(", ")}; ask ${first}.${elsewhere[0]}`);
  if (name.endsWith(".") && !/\.(in-addr|ip6)\.arpa\.$/.test(name) && !name.toLowerCase().endsWith(`.${domain}.`))
    lines.push("a trailing dot turns the search path off");
  return lines;
}

/** A question's outcome for people: rcode, records, and the reasons below. */
export function replyLines(name: string, type: string, reply: Reply): readonly string[] {
  const records = reply.answers.map((record) => `${recordType(record)} ${dataText(record)} (ttl ${record.ttl})`);
  const shown =
    records.length > SHOWN_RECORDS ? [...records.slice(0, SHOWN_RECORDS), `and ${records.length - SHOWN_RECORDS} more`] : records;
  const outcome = reply.rcode === "NOERROR" && records.length === 0 ? "NODATA" : reply.rcode;
  return [
    `${name} ${type}: ${outcome}${shown.length > 0 ? ` ${shown.join(", ")}` : ""}`,
    ...reply.why.map((reason) => `  ${reason.plugin}: ${reason.text}`),
  ];
}

function question(name: string, type: string, ip: string): Query {
  const asked = { name: fqdn(name), type: typeCode(type) ?? 1, class: 1 };
  const flags = { id: 0, opcode: 0, recursionDesired: true, checkingDisabled: false, authenticData: false } as const;
  return {
    ...flags,
    question: asked,
    name: asked.name.toLowerCase(),
    edns: undefined,
    transport: "udp",
    client: { ip, port: 0 },
    sizeBytes: 0,
  };
}
