// What DNS tells about itself: the zone as text, why a name resolves or not, and its state.
// Upstream: none; CoreDNS has only metrics and logs.
import type { Clock } from "../model/clock.ts";
import { canonicalIp } from "../model/ip.ts";
import type { Diagnostics, ExplainAnswer, ExplainQuestion } from "../model/ports.ts";
import type { Random } from "../model/random.ts";
import { ConfigMaps } from "../model/resources.ts";
import type { Store } from "../store/index.ts";
import { soaRecord } from "./answer.ts";
import { createChain } from "./chain.ts";
import type { Chain } from "./chain.ts";
import { defaultCorefile } from "./corefile.ts";
import type { Query, Reply } from "./message.ts";
import { Metrics } from "./metrics.ts";
import { fqdn, isReverse } from "./name.ts";
import type { Serving } from "./program.ts";
import { isKubernetesPlugin } from "./plugins/kubernetes.ts";
import { dataText, recordType, typeCode, zoneLine } from "./record.ts";
import { searchNames } from "./resolver.ts";
import { transferRecords } from "./transfer-records.ts";
import { compileZone, ZONE_TYPES } from "./zone.ts";
import type { Zone } from "./zone.ts";
import type { ZoneFeed } from "./zone-feed.ts";

export interface DiagnosticsOptions {
  readonly store: Store;
  readonly feed: ZoneFeed;
  readonly clock: Clock;
  readonly random: Random;
  readonly zone: string;
}

/** Diagnostics named `zone` in dumps and `dns` in explanations. */
export function dnsDiagnostics(options: DiagnosticsOptions, serving: Serving): Diagnostics {
  const { feed, clock, random, zone, store } = options;
  const present = (): Zone =>
    feed.zone.synced
      ? feed.zone
      : compileZone(
          ZONE_TYPES.flatMap((type) => store.list(type)),
          clock.now(),
        );
  const corefile = (): string =>
    (feed.zone.synced ? feed.corefile : store.get(ConfigMaps, "kube-system", "coredns")?.data?.["Corefile"]) ?? defaultCorefile(zone);
  const chainOf = (): { readonly chain: Chain; readonly error: string | undefined } => {
    const env = {
      zone: present(),
      clock,
      random: random.fork("explain"),
      serverIPs: [],
      metrics: new Metrics(),
      exchange: () => Promise.reject(new Error("explain asks no other server")),
      readFile: () => undefined,
      log: () => undefined,
      fatal: () => undefined,
    };
    try {
      return { chain: createChain(corefile(), env), error: undefined };
    } catch (error) {
      return { chain: createChain(defaultCorefile(zone), env), error: error instanceof Error ? error.message : String(error) };
    }
  };

  return {
    name: "zone",
    status() {
      const { local, serial, synced, generation } = feed.zone;
      const kept = [...serving.servers].reduce((sum, server) => sum + server.keptCount, 0);
      return { zone, servers: serving.servers.size, synced, serial, generation, ...local.sizes, keptAnswers: kept };
    },
    dump() {
      const { chain, error } = chainOf();
      const lines = error === undefined ? [] : [`; ${error}: the default is shown`];
      for (const plugin of chain.plugins.filter(isKubernetesPlugin)) {
        for (const name of plugin.view.options.zones.filter((candidate) => !isReverse(`.${candidate}`))) {
          lines.push(zoneLine(soaRecord(plugin.view, name)), ...[...transferRecords(plugin.view, name)].map(zoneLine));
        }
      }
      chain.close();
      return `${lines.join("\n")}\n`;
    },
    async explain(question) {
      if (canonicalIp(question.host) !== undefined) return undefined;
      const { chain, error } = chainOf();
      try {
        return await explainHost(chain, question, zone, error, serving.servers.size);
      } finally {
        chain.close();
      }
    },
  };
}

async function explainHost(
  chain: Chain,
  question: ExplainQuestion,
  zone: string,
  error: string | undefined,
  servers: number,
): Promise<ExplainAnswer> {
  const { from, host } = question;
  const namespace = from.kind === "pod" ? from.namespace : "default";
  const searches = from.kind === "pod" ? [`${namespace}.svc.${zone}`, `svc.${zone}`, zone] : [];
  const names = searchNames({ nameservers: [], searches, options: from.kind === "pod" ? ["ndots:5"] : [] }, host);
  const lines: string[] = error === undefined ? [] : [`the Corefile cannot be used, the one before it is live: ${error}`];
  if (servers === 0) lines.push("no coredns pod is serving: every question times out or is refused");
  for (const name of names) {
    const reply = await chain.serve(query(name, "A", from.ip));
    lines.push(...replyLines(name, "A", reply));
    const address = reply.answers.find((record) => record.type === "A");
    if (address?.type === "A") return { title: `DNS: ${host}`, lines, ip: address.address };
  }
  return { title: `DNS: ${host}`, lines };
}

/** A question's outcome for people: rcode, records, and the reasons below. */
export function replyLines(name: string, type: string, reply: Reply): readonly string[] {
  const records = reply.answers.map((record) => `${recordType(record)} ${dataText(record)} (ttl ${record.ttl})`);
  const shown = records.length > 8 ? [...records.slice(0, 8), `and ${records.length - 8} more`] : records;
  const outcome = reply.rcode === "NOERROR" && records.length === 0 ? "NODATA" : reply.rcode;
  return [
    `${name} ${type}: ${outcome}${shown.length > 0 ? ` ${shown.join(", ")}` : ""}`,
    ...reply.why.map((reason) => `  ${reason.plugin}: ${reason.text}`),
  ];
}

function query(name: string, type: string, ip: string): Query {
  const question = { name: fqdn(name), type: typeCode(type) ?? 1, class: 1 };
  const flags = { id: 0, opcode: 0, recursionDesired: true, checkingDisabled: false, authenticData: false } as const;
  return {
    ...flags,
    question,
    name: question.name.toLowerCase(),
    edns: undefined,
    transport: "udp",
    client: { ip, port: 0 },
    sizeBytes: 0,
  };
}
