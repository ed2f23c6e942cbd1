// What DNS tells about itself: the zone as text, why a name resolves or not, and its state.
// Upstream: none; CoreDNS has only metrics and logs.
import { nextTurn } from "../model/clock.ts";
import type { Clock } from "../model/clock.ts";
import { badRequest } from "../model/errors.ts";
import { canonicalIp } from "../model/ip.ts";
import type { Diagnostics } from "../model/ports.ts";
import type { Random } from "../model/random.ts";
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
import type { ZoneFeed } from "./zone-feed.ts";

export interface DiagnosticsOptions {
  readonly feed: ZoneFeed;
  readonly clock: Clock;
  readonly random: Random;
  readonly zone: string;
}

/** Diagnostics named `zone` in dumps and `dns` in explanations. */
export function dnsDiagnostics(options: DiagnosticsOptions, serving: Serving): Diagnostics {
  const { feed, clock, random, zone } = options;
  const chainOf = (): { readonly chain: Chain; readonly error: string | undefined } => {
    const env = {
      zone: feed.zone,
      clock,
      random: random.fork("explain"),
      serverIPs: [],
      hostname: "localhost",
      metrics: new Metrics(),
      connect: () => Promise.reject(new Error("explain asks no other server")),
      readFile: () => "nameserver 127.0.0.1\n",
      log: () => undefined,
      fatal: () => undefined,
    };
    try {
      const texts = feed.configMap;
      const files = { read: (path: string) => texts[path], list: () => Object.keys(texts) };
      return { chain: createChain(texts["Corefile"] ?? defaultCorefile(zone), env, { files }), error: undefined };
    } catch (error) {
      return { chain: createChain(defaultCorefile(zone), env), error: error instanceof Error ? error.message : String(error) };
    }
  };
  /** Holds the feed meanwhile: with no pod running it reads the store now, in slices. */
  const withChain = async <T>(use: (chain: Chain, error: string | undefined) => Promise<T>): Promise<T> => {
    await using held = feed.acquire();
    void held;
    await feed.synced;
    const { chain, error } = chainOf();
    try {
      return await use(chain, error);
    } finally {
      chain.close();
    }
  };
  const explaining = <T>(explain: (context: ExplainContext) => Promise<T>): Promise<T> =>
    withChain((chain, error) => {
      const warnings = error === undefined ? [] : [`the Corefile cannot be used, the one before it is live: ${error}`];
      if (serving.servers.size === 0) warnings.push("no coredns pod is serving: every question times out or is refused");
      return explain({ chain, zone: feed.zone, domain: zone, warnings });
    });

  return {
    name: "zone",
    status() {
      const { local, serial, synced, generation } = feed.zone;
      const kept = [...serving.servers].reduce((sum, server) => sum + server.keptCount, 0);
      return { zone, servers: serving.servers.size, synced, serial, generation, ...local.sizes, keptAnswers: kept };
    },
    dump: () =>
      withChain(async (chain, error) => {
        const text = new SlicedText();
        if (error !== undefined) await text.add(`; ${error}: the default is shown`);
        for (const plugin of chain.plugins.filter(isKubernetesPlugin)) {
          for (const name of plugin.view.options.zones.filter((candidate) => !isReverse(`.${candidate}`))) {
            await text.add(zoneLine(soaRecord(plugin.view, name)));
            for (const record of transferRecords(plugin.view, name)) {
              const turn = text.add(zoneLine(record));
              if (turn) await turn;
            }
          }
        }
        return text.whole();
      }),
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

/** Lines of one turn of the event loop. */
const SLICE = 500;

/** A long text of lines, made in slices so that nothing else waits for the whole of it. */
class SlicedText {
  readonly #slices: string[] = [];
  #lines: string[] = [];

  /** A promise now and then, when others are to have a turn. */
  add(line: string): Promise<void> | undefined {
    if (this.#lines.push(line) < SLICE) return undefined;
    this.#flush();
    return nextTurn();
  }
  whole(): string {
    this.#flush();
    return this.#slices.join("");
  }
  #flush(): void {
    if (this.#lines.length > 0) this.#slices.push(`${this.#lines.join("\n")}\n`);
    this.#lines = [];
  }
}
