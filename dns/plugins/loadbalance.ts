// loadbalance: a new order of the addresses and MX records of answer and additional section, CNAMEs first: shuffled, by weights, or preferred ones in front.
// Upstream: CoreDNS plugin/loadbalance. The weight file is looked at again when a query comes after the reload time.
import { Cidr, isCidr } from "../../model/ip.ts";
import type { Random } from "../../model/random.ts";
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import { then } from "../message.ts";
import type { Reply } from "../message.ts";
import { durationArgument } from "../plugin.ts";
import type { PluginEnv, PluginType } from "../plugin.ts";
import type { ResourceRecord } from "../record.ts";
import { WeightFile } from "./loadbalance-weights.ts";

const [A, AAAA, SRV, IXFR, AXFR] = [1, 28, 33, 251, 252];
const RELOAD_MS = 30_000;

/** A new order of the records of one section. */
type Order = (records: readonly ResourceRecord[]) => readonly ResourceRecord[];

export const loadbalancePlugin: PluginType = {
  name: "loadbalance",
  setup(stanza, env) {
    const [policy, file, extra] = stanza.args;
    const isWeighted = policy?.text === "weighted";
    if (policy && !isWeighted && policy.text !== "round_robin") throw new CorefileError(`unknown policy: ${policy.text}`, policy);
    if (policy && !isWeighted && file) throw new CorefileError(`unknown property for ${policy.text}`, file);
    if (isWeighted && !file) throw new CorefileError("missing weight file argument", policy);
    if (extra) throw new CorefileError("unexpected argument(s)", extra);
    const { reloadMs, subnets } = readOptions(stanza.body, isWeighted);
    const weights = isWeighted && file ? new WeightFile(file, reloadMs, env) : undefined;
    const fixed = weights !== undefined || subnets.length > 0;
    return {
      name: "loadbalance",
      serve(query, next) {
        const { type } = query.question;
        if (type === AXFR || type === IXFR) return next(query);
        const weighs = type === A || type === AAAA || type === SRV;
        const order: Order = weights ? (weighs ? (records) => weightedOrder(records, weights, env.random) : same) : shuffling(env);
        return then(next(query), (reply) => {
          if (reply.rcode !== "NOERROR") return reply;
          const ordered = inOrder(reply, subnets.length === 0 ? order : (records) => preferred(order(records), subnets));
          // What is kept in encoded form is shuffled again when it is used.
          return fixed ? { ...ordered, volatile: true } : ordered;
        });
      },
    };
  },
};

function readOptions(lines: readonly Directive[], isWeighted: boolean): { readonly reloadMs: number; readonly subnets: readonly Cidr[] } {
  const subnets: Cidr[] = [];
  let reloadMs = RELOAD_MS;
  for (const line of lines) {
    const [first, second] = line.args;
    if (line.name.text === "prefer" && !isWeighted) {
      for (const token of line.args) {
        if (!isCidr(token.text)) throw new CorefileError(`invalid CIDR "${token.text}": invalid CIDR address: ${token.text}`, token);
        subnets.push(new Cidr(token.text));
      }
    } else if (line.name.text === "reload" && isWeighted) {
      if (!first) throw new CorefileError("reload duration value is missing", line.name);
      if (second) throw new CorefileError("unexpected argument", second);
      try {
        reloadMs = durationArgument(first, line);
      } catch {
        throw new CorefileError(`invalid reload duration '${first.text}'`, first);
      }
    } else throw new CorefileError(`unknown property '${line.name.text}'`, line.name);
  }
  return { reloadMs, subnets };
}

const same: Order = (records) => records;
const shuffling =
  ({ random }: PluginEnv): Order =>
  (records) =>
    shuffleAddresses(records, random);

function inOrder(reply: Reply, order: Order): Reply {
  if (reply.answers.length < 2 && reply.additionals.length < 2) return reply;
  return { ...reply, answers: order(reply.answers), additionals: order(reply.additionals) };
}

/** Records by what becomes of them. */
function sorted(records: readonly ResourceRecord[]): Readonly<Record<"cnames" | "addresses" | "mx" | "rest", ResourceRecord[]>> {
  const of = (...types: readonly string[]): ResourceRecord[] => records.filter((record) => types.includes(record.type));
  const rest = records.filter((record) => !["CNAME", "A", "AAAA", "MX"].includes(record.type));
  return { cnames: of("CNAME"), addresses: of("A", "AAAA"), mx: of("MX"), rest };
}

/** A new order: CNAMEs, then the rest as they are, then addresses and MX records shuffled. The list given is left alone. */
export function shuffleAddresses(records: readonly ResourceRecord[], random: Random): readonly ResourceRecord[] {
  if (records.length < 2) return records;
  const { cnames, addresses, mx, rest } = sorted(records);
  return [...cnames, ...rest, ...shuffle(addresses, random), ...shuffle(mx, random)];
}

function shuffle<T>(list: T[], random: Random): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.int(i + 1);
    const [a, b] = [list[i], list[j]];
    if (a !== undefined && b !== undefined) [list[i], list[j]] = [b, a];
  }
  return list;
}

/** One address comes first, each as often as its weight says; it changes places with the one that was. */
function weightedOrder(records: readonly ResourceRecord[], weights: WeightFile, random: Random): readonly ResourceRecord[] {
  const { cnames, addresses, mx, rest } = sorted(records);
  if (addresses.length === 0) return records;
  const weighed = addresses.map((record) => ("address" in record ? weights.of(record.name, record.address) : 1));
  let drawn = random.int(weighed.reduce((sum, weight) => sum + weight, 0));
  const top = weighed.findIndex((weight) => (drawn -= weight) < 0);
  const [first, chosen] = [addresses[0], addresses[top]];
  if (first && chosen) [addresses[0], addresses[top]] = [chosen, first];
  return [...cnames, ...rest, ...addresses, ...mx];
}

/** Addresses of the first subnet before those of the second, and so on, the others behind them. */
function preferred(records: readonly ResourceRecord[], subnets: readonly Cidr[]): readonly ResourceRecord[] {
  const { cnames, addresses, mx, rest } = sorted(records);
  const rank = (record: ResourceRecord): number => {
    const at = subnets.findIndex((subnet) => "address" in record && isFamily(subnet, record.address) && subnet.contains(record.address));
    return at < 0 ? subnets.length : at;
  };
  return [...cnames, ...addresses.toSorted((a, b) => rank(a) - rank(b)), ...mx, ...rest];
}

const isFamily = (subnet: Cidr, ip: string): boolean => (subnet.family === "IPv6") === ip.includes(":");
