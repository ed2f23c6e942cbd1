// One controller pod: its listeners 80, 443 and 10254, until SIGTERM; then it drains.
// Upstream: nginx and cmd/nginx. http and https servers are handed their sockets by the fabric.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../model/clock.ts";
import type { ContainerContext, Registration } from "../../model/ports.ts";
import type { Random } from "../../model/random.ts";
import { carrierOf, type SecureContext } from "../../netsim/index.ts";
import { timeMs } from "../annotations/annotation.ts";
import { intermediates } from "../annotations/proxy-ssl.ts";
import { createHttpProxyEngine } from "../engine/http-proxy-engine.ts";
import { createHttp2Engine } from "../engine/http2-engine.ts";
import { createMemoryEngine } from "../engine/memory-engine.ts";
import { createNodeEngine } from "../engine/node-engine.ts";
import type { DialPeer } from "../engine/peer-agent.ts";
import type { ClientCertificate } from "../exchange.ts";
import type { CheckCounts } from "../check-counts.ts";
import { AccessLog } from "./access-log.ts";
import { CertificateContexts } from "./certificates.ts";
import { countStream, headTimeoutMs, tuneServers } from "./client-servers.ts";
import { type DialStream, FrontDoor } from "./front-door.ts";
import { metricsText } from "./controller-metrics.ts";
import { FirstHeads } from "./first-head.ts";
import { Handler } from "./handler.ts";
import { MAX_HEAD_BYTES } from "./head-limits.ts";
import { LogOutput } from "./log-output.ts";
import { refuseMalformed, refusePlain } from "./malformed.ts";
import { originOf, setOrigin } from "./origin.ts";
import type { Arrival } from "./request-facts.ts";
import { RequestMetrics } from "./request-metrics.ts";
import type { RoutesFeed } from "./routes-feed.ts";
import { statusPage } from "./status-page.ts";
import { StreamListeners } from "./stream-listeners.ts";
import { StreamLog } from "./stream-log.ts";
import { ControllerWorld } from "./world.ts";

/** What does not change while the servers run. The handler looks at Host, and at how long lines are. */
const LIMITS = {
  maxHeaderSize: MAX_HEAD_BYTES,
  requestTimeout: 0,
  connectionsCheckingInterval: 5000,
  noDelay: true,
  requireHostHeader: false,
} as const;
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
  #shuttingDown = false;

  constructor(options: ControllerOptions, context: ContainerContext) {
    this.#options = options;
    this.#context = context;
  }
  get requests(): number {
    return this.#handler?.requests ?? 0;
  }
  async start(): Promise<void> {
    const { feed, checks, clock, random } = this.#options;
    const context = this.#context;
    const dial: DialPeer = (host, port) => context.dial(host, port);
    const world = new ControllerWorld(feed, clock, random, dial, context.stderr);
    const http1 = createHttpProxyEngine(clock, dial);
    const memory = createMemoryEngine(clock, dial, http1);
    const own = createNodeEngine(clock, dial);
    const http2 = createHttp2Engine(clock, dial);
    this.#closers.push(() => (world.close(), memory.close(), http1.close(), own.close(), http2.close()));
    const metrics = new RequestMetrics(feed.flags);
    const logs = new LogOutput(context.stdout, clock);
    const handler = new Handler({ feed, world, memory, http1, own, http2, metrics, accessLog: new AccessLog(logs) });
    this.#handler = handler;

    const plain = createServer(LIMITS, (request, response) => handler.handle(request, response, arrivalOf(request.socket, "http", 80)));
    plain.on("upgrade", (request, socket, head) => handler.upgrade(request, socket, head, arrivalOf(socket, "http", 80)));
    const malformed = (error: Error, socket: Duplex): void => refuseMalformed(error, socket, feed.table.config, clock.now());
    plain.on("clientError", malformed);
    plain.on("connect", (_, socket) => malformed(new Error("CONNECT"), socket));
    // nginx looks at no expectation but 100-continue.
    plain.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) =>
      handler.handle(request, response, arrivalOf(request.socket, "http", 80)),
    );

    // Behind ssl-passthrough nginx has TLS on a port of its own.
    const tlsPort = feed.flags.enableSslPassthrough ? feed.flags.sslPassthroughProxyPort : 443;
    const contexts = new CertificateContexts(clock.now());
    const contextOf = (name: string | undefined): SecureContext => contexts.context(feed.table, (key) => feed.secret(key), name);
    const secure = createSecureServer(
      {
        allowHTTP1: true,
        ...contexts.fake,
        ...LIMITS,
        SNICallback: (name, done) => {
          try {
            done(null, contextOf(name));
          } catch (error) {
            done(error instanceof Error ? error : new Error(String(error)));
          }
        },
      },
      (request, response) => {
        if (request.httpVersionMajor >= 2) countStream(request, feed.table.config);
        handler.handle(asHttp1(request), asHttp1Response(response), arrivalOf(socketOf(request), "https", tlsPort));
      },
    );
    secure.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      handler.upgrade(request, socket, head, arrivalOf(socket, "https", tlsPort)),
    );
    secure.on("clientError", malformed);
    secure.on("connect", (_: IncomingMessage, socket: Duplex) => malformed(new Error("CONNECT"), socket));
    secure.on("tlsClientError", (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      const carrier = error.code === "ERR_SSL_HTTP_REQUEST" ? carrierOf(socket) : undefined;
      if (carrier) refusePlain(carrier, feed.table.config, clock.now());
    });
    secure.on("sessionError", () => {});
    let defaultsText = "";
    const refreshDefault = (): void => {
      tuneServers(feed.table.config, plain, secure);
      const requested = [...feed.table.hosts.values(), ...feed.table.wildcards.values()].some(
        (server) => server.clientCertificates !== undefined,
      );
      Object.assign(secure, { requestCert: requested, rejectUnauthorized: false });
      const defaults = contexts.defaults(feed.table, (key) => feed.secret(key));
      const text = JSON.stringify(defaults);
      if (text === defaultsText) return;
      defaultsText = text;
      try {
        secure.setSecureContext(defaults);
      } catch (error) {
        context.stderr.write(`ssl-protocols or ssl-ciphers cannot be used: ${error instanceof Error ? error.message : String(error)}\n`);
      }
    };
    const startedAtMs = clock.now();
    const connections = { accepted: 0, open: 0 };
    const open = new Set<Duplex>();
    for (const server of [plain, secure])
      server.on("connection", (socket: Duplex) => {
        connections.accepted++;
        connections.open++;
        open.add(socket);
        socket.once("close", () => {
          connections.open--;
          open.delete(socket);
        });
      });
    secure.prependListener("secureConnection", (socket: TLSSocket) => {
      const carrier = carrierOf(socket);
      const origin = carrier && originOf(carrier);
      if (origin) setOrigin(socket, origin);
    });
    const heads = new FirstHeads(clock, () => headTimeoutMs(feed.table.config));
    plain.on("connection", (socket: Duplex) => heads.awaitHead(socket));
    secure.on("connection", (socket: Duplex) => heads.awaitHandshake(socket));
    secure.prependListener("secureConnection", (socket: TLSSocket) => {
      const carrier = carrierOf(socket);
      if (carrier) heads.forget(carrier);
      if (socket.alpnProtocol !== "h2") heads.awaitHead(socket);
    });
    const dialStream: DialStream = (host, port, signal) => context.dial(host, port, { signal });
    const frontDoor = new FrontDoor(feed, clock, dialStream, contextOf);
    frontDoor.guard(plain, secure);
    const streams = new StreamListeners(feed, clock, random.fork("streams"), context, new StreamLog(logs));
    refreshDefault();
    const subscription = feed.onChange(() => {
      refreshDefault();
      void streams.refresh();
    });
    const health = createServer(
      statusPage({
        metrics: () =>
          metricsText({
            feed,
            checks,
            pod: { namespace: context.pod.metadata.namespace ?? "", name: context.pod.metadata.name },
            requests: metrics,
            startedAtMs,
            fakeCertificate: contexts.fake.cert,
            connections: () => ({ ...connections, writing: handler.underWay, requests: handler.requests }),
          }),
        healthPath: feed.flags.healthPath,
        shuttingDown: () => this.#shuttingDown,
      }),
    );
    this.#closers.push(() => {
      subscription[Symbol.dispose]();
      frontDoor.close();
      heads.close();
      streams.close();
      logs.flush();
      for (const socket of open) socket.destroy();
      health.closeAllConnections();
    });
    const { httpPort, httpsPort, healthzPort } = feed.flags;
    this.#listeners.push(
      await context.listen(httpPort, plain),
      await context.listen(httpsPort, secure),
      await context.listen(healthzPort, health),
    );
    await streams.refresh();
    // nginx takes a client's FIN for its leaving (499), also where the client would still read.
    Object.assign(plain, { httpAllowHalfOpen: false });
    context.stdout.write(
      `NGINX Ingress controller v1.15.1, serving ${feed.table.counted.length} Ingresses on ports ${httpPort} and ${httpsPort}\n`,
    );
    this.#drain = async () => {
      frontDoor.closeWaiting();
      plain.closeIdleConnections();
      const timedOut = Promise.withResolvers<void>();
      const limitMs = timeMs(feed.table.config.text("worker-shutdown-timeout")) || DRAIN_MS;
      const timer = clock.after(limitMs, timedOut.resolve, { background: true });
      await Promise.race([Promise.all([handler.idle(), streams.drained()]), timedOut.promise]);
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

/** Where a connection came from, as its socket shows it. */
function arrivalOf(socket: Duplex, scheme: "http" | "https", serverPort: number): Arrival {
  const { remoteAddress, remotePort } = socket as Partial<Socket>;
  const origin = originOf(socket);
  const peer = {
    scheme,
    serverPort,
    peerIp: origin?.peerIp ?? remoteAddress ?? "",
    peerPort: remotePort ?? 0,
    ...(origin && { proxied: origin.proxied }),
  };
  if (scheme === "http") return peer;
  const secured = socket as TLSSocket & { servername?: string | false };
  return { ...peer, sni: typeof secured.servername === "string" ? secured.servername : undefined, certificate: certificateOf(secured) };
}

const certificates = new WeakMap<object, ClientCertificate | null>();

/** The client's certificate, read once per connection. */
function certificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const known = certificates.get(socket);
  if (known !== undefined) return known ?? undefined;
  const certificate = socket.getPeerX509Certificate?.();
  const name = (text: string): string => text.split("\n").reverse().join(",");
  const found = certificate
    ? {
        subject: name(certificate.subject),
        issuer: name(certificate.issuer),
        pem: certificate.toString(),
        fingerprint: certificate.fingerprint.replaceAll(":", "").toLowerCase(),
        serial: certificate.serialNumber,
        intermediates: intermediates(socket.getPeerCertificate(true)),
        verify: socket.authorized ? "SUCCESS" : `FAILED:${String(socket.authorizationError)}`,
      }
    : null;
  certificates.set(socket, found);
  return found ?? undefined;
}

function socketOf(request: Http2ServerRequest): Socket {
  return request.stream?.session?.socket ?? request.socket;
}

/** The compatibility API of node:http2 stands in for node:http's classes here; what differs is asked by httpVersionMajor. */
const asHttp1 = (request: Http2ServerRequest): IncomingMessage => request as unknown as IncomingMessage;
const asHttp1Response = (response: Http2ServerResponse): ServerResponse => response as unknown as ServerResponse;
