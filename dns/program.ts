// The image `coredns`: serves DNS on its pod's address, from the shared zone, under the Corefile of the ConfigMap.
// Upstream: CoreDNS coremain, plugin/reload. A Corefile that cannot be set up leaves the old one live.
import { createServer } from "node:http";
import { posix } from "node:path";
import type { Clock } from "../model/clock.ts";
import type { ContainerContext, InlineProgram, Registration, SocketAddress } from "../model/ports.ts";
import type { Random } from "../model/random.ts";
import { createChain } from "./chain.ts";
import type { Chain } from "./chain.ts";
import { CorefileSyntaxError, defaultCorefile } from "./corefile.ts";
import { connectTo } from "./connection.ts";
import { Metrics } from "./metrics.ts";
import { durationText } from "./plugin.ts";
import { DnsServer } from "./server.ts";
import { DnsTcpServer } from "./tcp-server.ts";
import { VERSION } from "./version.ts";
import type { ZoneFeed } from "./zone-feed.ts";

const [STARTUP_TIMEOUT_MS, WAITING_MS] = [5000, 500];
/** Where the ConfigMap is mounted; it is read from the store, which is never behind. */
const CONFIG_FOLDER = "/etc/coredns";
const absolute = (path: string): string => posix.resolve(CONFIG_FOLDER, path);

export interface ProgramOptions {
  readonly feed: ZoneFeed;
  readonly clock: Clock;
  readonly random: Random;
  /** Cluster domain, for the Corefile used when there is no ConfigMap. */
  readonly zone: string;
}

/** Counts the programs that serve now, for status. */
export interface Serving {
  readonly servers: Set<DnsServer>;
}

/** The program; `serving` learns of each server while it lives. */
export function dnsProgram(options: ProgramOptions, serving: Serving): InlineProgram {
  return async (context) => {
    await using held = options.feed.acquire();
    void held;
    await syncedOrLate(options, context);
    const run = new Run(options, context);
    try {
      await run.start();
    } catch (error) {
      context.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
      return 1;
    }
    serving.servers.add(run.server);
    try {
      return await run.ended;
    } finally {
      serving.servers.delete(run.server);
      await run.stop();
    }
  };
}

/** Waits for the zone, but not longer than upstream's startup_timeout: an unsynced server answers SERVFAIL. */
async function syncedOrLate({ feed, clock }: ProgramOptions, { signal, stdout }: ContainerContext): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timers = [
    ...Array.from(
      { length: STARTUP_TIMEOUT_MS / WAITING_MS - 1 },
      (_, i) =>
        [
          (i + 1) * WAITING_MS,
          () => void stdout.write("[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server\n"),
        ] as const,
    ),
    [
      STARTUP_TIMEOUT_MS,
      () => {
        stdout.write("[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API\n");
        late.resolve();
      },
    ] as const,
  ].map(([ms, then]) => clock.after(ms, then, { background: true }));
  signal.addEventListener("abort", () => late.resolve(), { once: true });
  await Promise.race([feed.synced, late.promise]);
  for (const timer of timers) timer.cancel();
}

class Run {
  readonly #options: ProgramOptions;
  readonly #context: ContainerContext;
  readonly #metrics = new Metrics();
  readonly #end = Promise.withResolvers<number>();
  readonly #random: Random;
  #server: DnsServer | undefined;
  #listeners: (Registration | { close(): unknown })[] = [];
  #reloading: Promise<void> = Promise.resolve();
  readonly #subscriptions: Disposable[] = [];

  constructor(options: ProgramOptions, context: ContainerContext) {
    this.#options = options;
    this.#context = context;
    this.#random = options.random.fork(`coredns/${context.pod.metadata.name}`);
  }
  get ended(): Promise<number> {
    return this.#end.promise;
  }
  get server(): DnsServer {
    if (!this.#server) throw new Error("not started");
    return this.#server;
  }

  async start(): Promise<void> {
    const { feed, clock } = this.#options;
    const chain = this.#chain();
    this.#server = new DnsServer({ chain, zone: feed.zone, clock, random: this.#random.fork("kept"), metrics: this.#metrics });
    await this.#listen(chain);
    const programmed = this.#metrics.histogram("coredns_kubernetes_dns_programming_duration_seconds", {
      service_kind: "headless_with_selector",
    });
    this.#subscriptions.push(
      feed.onCorefile(() => void (this.#reloading = this.#reloading.then(() => this.#reload()))),
      feed.onProgrammed((seconds) => programmed.observe(seconds)),
    );
    this.#context.stdout.write(`${chain.banner}${runningLine(chain)}CoreDNS-${VERSION}\n`);
    const stop = (): void => {
      const { lameduckMs } = this.server.chain;
      this.#context.stdout.write("[INFO] SIGTERM: Shutting down servers then terminating\n");
      if (lameduckMs > 0) this.#context.stdout.write(`[INFO] plugin/health: Going into lameduck mode for ${durationText(lameduckMs)}\n`);
      if (lameduckMs <= 0) this.#end.resolve(0);
      else this.#lameduck = clock.after(lameduckMs, () => this.#end.resolve(0), { background: true });
    };
    if (this.#context.signal.aborted) stop();
    else this.#context.signal.addEventListener("abort", stop, { once: true });
  }
  #lameduck: { cancel(): void } | undefined;

  async stop(): Promise<void> {
    this.#lameduck?.cancel();
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    await this.#reloading;
    await this.#unlisten();
    this.#server?.chain.close();
  }

  #chain(): Chain {
    const { feed, clock, zone } = this.#options;
    const { files, peer, stdout } = this.#context;
    const corefile = feed.corefile ?? files.read(absolute("Corefile")) ?? defaultCorefile(zone);
    const env = {
      zone: feed.zone,
      clock,
      random: this.#random.fork("chain"),
      serverIPs: (this.#context.pod.status?.podIPs ?? [])
        .map((entry) => entry.ip ?? "")
        .filter((ip) => ip !== "")
        .concat(this.#context.pod.status?.podIPs?.length ? [] : [peer.ip]),
      hostname: this.#context.hostname,
      metrics: this.#metrics,
      connect: (server: SocketAddress, how: { readonly tcp: boolean; readonly timeoutMs: number }) =>
        connectTo(this.#context, clock, server, how),
      readFile: (path: string) => files.read(path),
      log: (line: string) => void stdout.write(`${line}\n`),
      fatal: (line: string) => {
        stdout.write(`[FATAL] ${line}\n`);
        this.#end.resolve(1);
      },
    };
    const read = (path: string): string | undefined => feed.configMap[path] ?? files.read(absolute(path));
    const list = (folder: string): readonly string[] => {
      const found = files.list(absolute(folder)).map((path) => posix.basename(path));
      return absolute(folder) === CONFIG_FOLDER ? [...new Set([...Object.keys(feed.configMap), ...found])] : found;
    };
    return createChain(corefile, env, { variables: this.#context.env, files: { read, list } });
  }

  async #reload(): Promise<void> {
    const { stdout } = this.#context;
    let chain: Chain;
    try {
      chain = this.#chain();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (error instanceof CorefileSyntaxError) return void stdout.write(`[WARNING] plugin/reload: Corefile parse failed: ${text}\n`);
      this.#metrics.counter("coredns_reload_failed_total", {}).value++;
      stdout.write(
        `[INFO] Reloading\n[ERROR] Restart failed: ${text}\n[ERROR] plugin/reload: Corefile changed but reload failed: ${text}\n`,
      );
      return;
    }
    stdout.write("[INFO] Reloading\n");
    const moved = listenersOf(chain) !== listenersOf(this.server.chain);
    if (moved) await this.#unlisten();
    this.server.replaceChain(chain);
    if (moved) await this.#listen(chain);
    this.#metrics.clear("coredns_reload_version_info");
    this.#metrics.counter("coredns_reload_version_info", { hash: "sha512", value: chain.hash }).value = 1;
    stdout.write(`${runningLine(chain)}[INFO] Reloading complete\n`);
  }

  async #listen(chain: Chain): Promise<void> {
    const { clock } = this.#options;
    const context = this.#context;
    for (const port of chain.ports) {
      this.#listeners.push(
        await context.listenUdp(port, (message, client, reply) => this.server.serve(message, { transport: "udp", client, port }, reply)),
      );
      const tcp = new DnsTcpServer({
        clock,
        serve: (message, client, reply) => this.server.serve(message, { transport: "tcp", client, port }, reply),
      });
      this.#listeners.push(await context.listen(port, tcp), { close: () => tcp.closeConnections() });
    }
    const pages = chain.plugins.flatMap((plugin) => plugin.page ?? []);
    for (const port of new Set(pages.map((page) => page.port))) {
      const http = createServer((request, response) => {
        const path = (request.url ?? "/").split("?")[0];
        const page = this.server.chain.plugins.find((plugin) => plugin.page?.port === port && plugin.page.path === path)?.page;
        const { status, type, body } = page?.respond() ?? { status: 404, type: "text/plain; charset=utf-8", body: "404 page not found\n" };
        response.writeHead(status, { "content-type": type });
        response.end(body);
      });
      this.#listeners.push(await context.listen(port, http), { close: () => http.closeAllConnections() });
    }
  }

  async #unlisten(): Promise<void> {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) await listener.close();
  }
}

/** What the reload plugin says of a configuration that is live. */
function runningLine({ plugins, hash }: Chain): string {
  return plugins.some(({ name }) => name === "reload") ? `[INFO] plugin/reload: Running configuration SHA512 = ${hash}\n` : "";
}

function listenersOf(chain: Chain): string {
  return JSON.stringify([chain.ports, chain.plugins.flatMap((plugin) => (plugin.page ? [plugin.page.port] : []))]);
}
