// The API server as one component: an HTTP(S) server that binds nothing, its requests and its upgrades.
// Upstream: kubernetes cmd/kube-apiserver, apiserver pkg/server. HTTP/1.1 only: every client of Kubernetes falls back to it.
import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import { createServer as createHttpsServer, type Server as HttpsServer } from "node:https";
import type { Duplex } from "node:stream";
import { type Clock, nextTurn, realClock } from "../model/clock.ts";
import { notFound, type Status } from "../model/errors.ts";
import type { Ids } from "../model/ids.ts";
import type { Component, Diagnostics, Hop, KubeletStreams, SocketAddress } from "../model/ports.ts";
import { Pods } from "../model/resources.ts";
import type { Store } from "../store/index.ts";
import { ANONYMOUS, Authenticator, unauthorized, type User } from "./authentication.ts";
import type { ApiContext, ApiRequest, DigAs, FlowsOf } from "./context.ts";
import { authorize, dispatch } from "./dispatch.ts";
import { RequestMetrics } from "./metrics.ts";
import { parsePath } from "./path.ts";
import { refusePlainHttp } from "./plain-http.ts";
import { send, statusOf } from "./send.ts";
import { handlePodStream, refuseUpgrade } from "./streams/index.ts";
import { proxyUpgrade } from "./subresources/proxy.ts";
import { methodNotAllowed, noSuchResource, targetOf } from "./target.ts";
import { versionInfo } from "./version.ts";

export interface ApiOptions {
  readonly store: Store;
  readonly streams: KubeletStreams;
  readonly diagnostics: readonly Diagnostics[];
  /** PEM. `ca` signs client certificates. Absent: plain HTTP, for tests. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca: string };
  readonly clock?: Clock;
  readonly ids: Ids;
  /** What /version says; default "v1.33.4". */
  readonly version?: string;
  /** Static bearer tokens. */
  readonly tokens?: ReadonlyMap<string, User>;
  /** Connects to a cluster address for pods/proxy and services/proxy. */
  readonly dial?: (to: SocketAddress, signal: AbortSignal) => Promise<Duplex>;
  /** Asks cluster DNS as a peer does, for `dig`. */
  readonly dig?: DigAs;
  /** The live trace that `trace` streams. */
  readonly trace?: (signal: AbortSignal, follow: boolean) => AsyncIterable<Hop>;
  /** The exact flows that `flows` streams. */
  readonly flows?: FlowsOf;
}

/** The server, which is given its connections by `server.emit("connection", socket)`. */
export interface Api extends Component {
  readonly server: HttpServer | HttpsServer;
}

/** Builds the API server. It does no I/O; `stop` ends every watch and destroys every connection. */
export function createApi(options: ApiOptions): Api {
  return new ApiServer(options);
}

/** Turns of the event loop that running requests get to end by themselves when the server stops. */
const FAREWELL_TURNS = 20;
/** As upstream's server has them: 1 MiB of headers, which must come within 32 s. */
const MAX_HEADER_BYTES = 1024 * 1024;
const HEADERS_TIMEOUT_MS = 32_000;
const PLAIN_400 = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request";
const PLAIN_431 = "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n";

class ApiServer implements Api {
  readonly server: HttpServer | HttpsServer;
  readonly #context: ApiContext;
  readonly #sockets = new Set<Duplex>();
  readonly #running = new Set<Promise<void>>();
  readonly #requests = new Set<AbortController>();
  #stopped = false;

  constructor(options: ApiOptions) {
    const clock = options.clock ?? realClock;
    const key = options.tls?.key;
    this.#context = {
      store: options.store,
      streams: options.streams,
      diagnostics: options.diagnostics,
      clock,
      ids: options.ids,
      version: versionInfo(options.version),
      authenticator: new Authenticator({
        store: options.store,
        clock,
        ids: options.ids,
        ...(key === undefined ? {} : { key }),
        ...(options.tokens ? { tokens: options.tokens } : {}),
      }),
      metrics: new RequestMetrics(),
      dial: options.dial,
      dig: options.dig,
      trace: options.trace,
      flows: options.flows,
    };
    this.server = options.tls ? secureServer(options.tls, clock) : createHttpServer({ maxHeaderSize: MAX_HEADER_BYTES });
    this.#listen(this.server);
  }

  async start(): Promise<void> {
    // Nothing to wait for: connections are handed in.
  }
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const request of this.#requests) request.abort();
    // Watches end with a whole last line; whoever still waits for its client's bytes then loses its socket.
    for (let turns = 0; turns < FAREWELL_TURNS && this.#running.size > 0; turns++) await nextTurn();
    await nextTurn();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.allSettled(this.#running);
    if (this.server.listening) await new Promise<void>((resolve) => void this.server.close(() => resolve()));
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #listen(server: HttpServer | HttpsServer): void {
    server.requestTimeout = 0;
    server.headersTimeout = HEADERS_TIMEOUT_MS;
    server.keepAliveTimeout = 90_000;
    server.on("connection", (socket: Duplex) => this.#track(socket));
    server.on("tlsClientError", (_error: Error, socket: Duplex) => socket.destroy());
    server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
      if (!socket.writable || error.code === "ECONNRESET" || error.code === "ERR_HTTP_REQUEST_TIMEOUT") return void socket.destroy();
      socket.end(error.code === "HPE_HEADER_OVERFLOW" ? PLAIN_431 : PLAIN_400, () => socket.destroy());
    });
    server.on("request", (incoming: IncomingMessage, response: ServerResponse) => this.#run(this.#answer(incoming, response)));
    server.on("upgrade", (incoming: IncomingMessage, socket: Duplex, head: Buffer) => this.#run(this.#upgrade(incoming, socket, head)));
  }
  #track(socket: Duplex): void {
    if (this.#stopped) return void socket.destroy();
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#sockets.delete(socket));
  }
  #run(work: Promise<void>): void {
    const settled = work.catch(() => undefined).finally(() => this.#running.delete(settled));
    this.#running.add(settled);
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { metrics } = this.#context;
    const gone = new AbortController();
    this.#requests.add(gone);
    response.once("close", () => gone.abort());
    response.on("error", () => gone.abort());
    const url = urlOf(incoming);
    const bare = {
      method: incoming.method ?? "GET",
      url,
      query: url.searchParams,
      incoming,
      response,
      warnings: [],
      signal: gone.signal,
    };
    metrics.begin();
    try {
      const request: ApiRequest = { ...bare, user: authorize(bare, this.#context) };
      await send(request, await dispatch(request, this.#context));
    } catch (error) {
      await refuse(bare, statusOf(error));
    } finally {
      this.#requests.delete(gone);
      metrics.end(bare.method, resourceOf(url), response.statusCode);
    }
  }

  async #upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    try {
      const url = urlOf(incoming);
      if (!this.#context.authenticator.authenticate(incoming)) throw unauthorized();
      const path = parsePath(url.pathname);
      if (path.type !== "resource") throw noSuchResource();
      const target = targetOf(this.#context.store, path);
      const { type, namespace, name = "", subresource } = target;
      if (subresource === "proxy") return await proxyUpgrade(incoming, socket, head, url, target, this.#context);
      if (type !== Pods) throw noSuchResource();
      if (subresource !== "exec" && subresource !== "attach" && subresource !== "portforward") throw noSuchResource();
      if (incoming.method !== "GET" && incoming.method !== "POST") throw methodNotAllowed();
      const pod = this.#context.store.get(Pods, namespace, name);
      if (!pod) throw notFound(Pods, name);
      await handlePodStream(incoming, socket, head, { pod, subresource, url }, this.#context.streams);
    } catch (error) {
      refuseUpgrade(socket, error);
    }
  }
}

function secureServer(tls: NonNullable<ApiOptions["tls"]>, clock: Clock): HttpsServer {
  const options = { requestCert: true, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"], maxHeaderSize: MAX_HEADER_BYTES };
  const server = createHttpsServer({ ...tls, ...options });
  refusePlainHttp(server, clock, HEADERS_TIMEOUT_MS);
  return server;
}

/** The request's URL; the host does not matter. A target that is no path becomes "/". */
function urlOf(incoming: IncomingMessage): URL {
  const target = incoming.url ?? "/";
  const path = target.startsWith("/") ? target : "/";
  return new URL(`http://api${path}`);
}

function resourceOf(url: URL): string {
  try {
    const path = parsePath(url.pathname);
    return path.type === "resource" ? path.resource : "";
  } catch {
    return "";
  }
}

/** Answers with a Status, unless the response has begun: then the connection can only be cut. */
async function refuse(request: Omit<ApiRequest, "user">, status: Status): Promise<void> {
  const { response, incoming } = request;
  if (response.headersSent) return void response.destroy();
  if (!incoming.complete) response.setHeader("Connection", "close");
  if (status.code === 401) response.setHeader("WWW-Authenticate", 'Bearer realm="kubernetes"');
  await send({ ...request, user: ANONYMOUS }, { type: "object", code: status.code ?? 500, body: status, contentType: "application/json" });
}
