// What DNS tells about itself: the zone as text, why a name resolves or not, and its state.
// Upstream: none; CoreDNS has only metrics and logs.
import type { Clock } from "../model/clock.ts";
import { badRequest } from "../model/errors.ts";
import { canonicalIp } from "../model/ip.ts";
import type { Diagnostics } from "../model/ports.ts";
import type { Random } from "../model/random.ts";
import { ConfigMaps } from "../model/resources.ts";
import type { Store } from "../store/index.ts";
import { soaRecord } from "./answer.ts";
import { createChain } from "./chain.ts";
import type { Chain } from "./chain.ts";
import { defaultCorefile } from "./corefile.ts";
import { explainHost, explainName } from "./explain-name.ts";
import type { ExplainContext } from "./explain-name.ts";
import { Metrics } from "./metrics.ts";
import { isReverse } from "./name.ts";
import type { Serving } from "./program.ts";
import { isKubernetesPlugin } from "./plugins/kubernetes.ts";
import { typeCode, zoneLine } from "./record.ts";
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
  const configMap = (): Readonly<Record<string, string>> =>
    feed.zone.synced ? feed.configMap : (store.get(ConfigMaps, "kube-system", "coredns")?.data ?? {});
  const chainOf = (): { readonly chain: Chain; readonly error: string | undefined } => {
    const env = {
      zone: present(),
      clock,
      random: random.fork("explain"),
      serverIPs: [],
      metrics: new Metrics(),
      exchange: () => Promise.reject(new Error("explain asks no other server")),
      readFile: () => "nameserver 127.0.0.1\n",
      log: () => undefined,
      fatal: () => undefined,
    };
    try {
      const texts = configMap();
      const files = { read: (path: string) => texts[path], list: () => Object.keys(texts) };
      return { chain: createChain(texts["Corefile"] ?? defaultCorefile(zone), env, { files }), error: undefined };
    } catch (error) {
      return { chain: createChain(defaultCorefile(zone), env), error: error instanceof Error ? error.message : String(error) };
    }
  };

  const explaining = async <T>(explain: (context: ExplainContext) => Promise<T>): Promise<T> => {
    const { chain, error } = chainOf();
    const warnings = error === undefined ? [] : [`the Corefile cannot be used, the one before it is live: ${error}`];
    if (serving.servers.size === 0) warnings.push("no coredns pod is serving: every question times out or is refused");
    try {
      return await explain({ chain, zone: present(), domain: zone, warnings });
    } finally {
      chain.close();
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
    async explain({ host, from }) {
      if (canonicalIp(host) !== undefined) return undefined;
      return explaining((context) => explainHost(context, from, host));
    },
    async explainDns({ from, name, type }) {
      if (typeCode(type) === undefined) throw badRequest(`${JSON.stringify(type)} is no record type`);
      return explaining((context) => explainName(context, from, name, type));
    },
  };
}
