// One controller pod: its listeners 80, 443 and 10254, until SIGTERM; then it drains.
// Upstream: nginx and cmd/nginx. http and https servers are handed their sockets by the fabric.
import { createServer } from "node:http";
import type { Clock } from "../../model/clock.ts";
import type { ContainerContext, Registration } from "../../model/ports.ts";
import type { Random } from "../../model/random.ts";
import type { KeyPair } from "../../model/x509.ts";
import type { CheckCounts } from "../report/check-counts.ts";
import { timeMs } from "../annotations/annotation.ts";
import { createHttpProxyEngine } from "../engine/http-proxy-engine.ts";
import { createFastCgiEngine } from "../engine/fastcgi-engine.ts";
import { createHttp2Engine } from "../engine/http2-engine.ts";
import { createMemoryEngine } from "../engine/memory-engine.ts";
import { createNodeEngine } from "../engine/node-engine.ts";
import type { DialPeer } from "../engine/peer-agent.ts";
import { AccessLog } from "./access-log.ts";
import { ClientServers } from "./client-servers.ts";
import { type ConnectionCounts, metricsText } from "./controller-metrics.ts";
import { Handler } from "./handler.ts";
import { LogOutput } from "./log-output.ts";
import { RequestMetrics } from "./request-metrics.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";
import { statusPage } from "./status-page.ts";
import { StreamListeners } from "./stream-listeners.ts";
import { StreamLog } from "./stream-log.ts";
import { ControllerWorld } from "./world.ts";

/** worker-shutdown-timeout: SIGTERM waits this long for requests under way; the pod's grace period mostly ends sooner. */
const DRAIN_MS = 240_000;

export interface ControllerOptions {
  readonly feed: RoutesFeed;
  readonly checks: CheckCounts;
  readonly clock: Clock;
  readonly random: Random;
}

export class Controller {
  readonly #options: ControllerOptions;
  readonly #context: ContainerContext;
  readonly #listeners: Registration[] = [];
  readonly #closers: (() => void)[] = [];
  #handler: Handler | undefined;
  #clients: ClientServers | undefined;
  #shuttingDown = false;

  constructor(options: ControllerOptions, context: ContainerContext) {
    this.#options = options;
    this.#context = context;
  }
  /** Of clients, so far and now. */
  connections(): ConnectionCounts {
    const { accepted = 0, open = 0 } = this.#clients?.connections ?? {};
    return { accepted, open, writing: this.#handler?.underWay ?? 0, requests: this.#handler?.requests ?? 0 };
  }
  get fakeCertificate(): KeyPair | undefined {
    return this.#clients?.fakeCertificate;
  }
  async start(): Promise<void> {
    const { feed, checks, clock, random } = this.#options;
    const context = this.#context;
    const dial: DialPeer = (host, port) => context.dial(host, port);
    const world = new ControllerWorld(feed, clock, random, dial, context.stderr, { name: context.hostname, ip: context.peer.ip });
    const http1 = createHttpProxyEngine(clock, dial);
    const memory = createMemoryEngine(clock, dial, http1);
    const own = createNodeEngine(clock, dial);
    const http2 = createHttp2Engine(clock, dial);
    const fastcgi = createFastCgiEngine(clock, dial);
    this.#closers.push(() => (world.close(), memory.close(), http1.close(), own.close(), http2.close()));
    const metrics = new RequestMetrics(feed.flags);
    const logs = new LogOutput(context.stdout, clock);
    const handler = new Handler({
      feed,
      world,
      engines: { memory, own, http2, fastcgi, upgrades: http1 },
      metrics,
      accessLog: new AccessLog(logs),
    });
    this.#handler = handler;

    const clients = new ClientServers({
      feed,
      clock,
      handler,
      dial: (host, port, signal) => context.dial(host, port, { signal }),
      onRefusedSettings: (reason) => context.stderr.write(`ssl-protocols or ssl-ciphers cannot be used: ${reason}\n`),
    });
    this.#clients = clients;
    const streams = new StreamListeners(feed, clock, random.fork("streams"), context, new StreamLog(logs));
    const subscription = feed.onChange(() => {
      clients.refresh();
      void streams.refresh();
    });
    const startedAtMs = clock.now();
    const health = createServer(
      statusPage({
        metrics: () =>
          metricsText({
            feed,
            checks,
            pod: { namespace: context.pod.metadata.namespace ?? "", name: context.pod.metadata.name },
            requests: metrics,
            startedAtMs,
            fakeCertificate: clients.fakeCertificate.cert,
            connections: () => this.connections(),
          }),
        healthPath: feed.flags.healthPath,
        shuttingDown: () => this.#shuttingDown,
      }),
    );
    this.#closers.push(() => {
      subscription[Symbol.dispose]();
      clients.close();
      streams.close();
      logs.flush();
      health.closeAllConnections();
    });
    const { httpPort, httpsPort, healthzPort } = feed.flags;
    this.#listeners.push(
      await context.listen(httpPort, clients.plain),
      await context.listen(httpsPort, clients.secure),
      await context.listen(healthzPort, health),
    );
    await streams.refresh();
    // nginx takes a client's FIN for its leaving (499), also where the client would still read.
    Object.assign(clients.plain, { httpAllowHalfOpen: false });
    context.stdout.write(
      `NGINX Ingress controller v1.15.1, serving ${feed.table.counted.length} Ingresses on ports ${httpPort} and ${httpsPort}\n`,
    );
    this.#drain = async () => {
      clients.closeIdle();
      const timedOut = Promise.withResolvers<void>();
      const limitMs = timeMs(feed.table.config.text("worker-shutdown-timeout")) || DRAIN_MS;
      const timer = clock.after(limitMs, timedOut.resolve, { background: true });
      await Promise.race([Promise.all([handler.drain(), streams.drained()]), timedOut.promise]);
      timer.cancel();
    };
  }
  #drain: (() => Promise<void>) | undefined;

  /** Fails the health checks; all else goes on until stop(). */
  shutDown(): void {
    this.#shuttingDown = true;
  }
  async stop(): Promise<void> {
    this.shutDown();
    // The page of health and metrics is there to the end.
    const statusPage = this.#listeners.pop();
    // Nobody is let in from now on.
    const closed = this.#listeners.map((listener) => listener.close());
    await this.#drain?.();
    for (const close of this.#closers) close();
    await Promise.all([...closed, statusPage?.close()]);
  }
}
