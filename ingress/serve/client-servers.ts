// The two servers that clients talk to, HTTP and HTTPS, with all that stands between a connection and the handler.
// Upstream: the listeners of nginx.tmpl. They are handed their sockets by the fabric.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
} from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../model/clock.ts";
import type { KeyPair } from "../../model/x509.ts";
import { carrierOf, type SecureContext } from "../../netsim/index.ts";
import { arrivalOf } from "./arrival.ts";
import type { Arrival } from "../request/request-facts.ts";
import { BareResponse } from "./upgrade.ts";
import { CertificateContexts } from "./tls-contexts.ts";
import { answerUnderWay, countStream, headTimeoutMs, tuneServers } from "./connection-limits.ts";
import { FirstHeads } from "./first-head.ts";
import { type DialStream, FrontDoor } from "./front-door.ts";
import type { Handler } from "./handler.ts";
import { MAX_HEAD_BYTES } from "../request/head-limits.ts";
import { refuseMalformed, refusePlain } from "./malformed.ts";
import { originOf, setOrigin } from "./origin.ts";
import { findServer } from "../request/match.ts";
import { nameOf } from "../tls/certificates.ts";
import { Parking } from "./parking.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";
import { hasBody } from "./request-body.ts";

/** What does not change while the servers run. The handler looks at Host, and at how long lines are; Node would leave out the body of an upgrade. */
const LIMITS = {
  maxHeaderSize: MAX_HEAD_BYTES,
  requestTimeout: 0,
  connectionsCheckingInterval: 5000,
  noDelay: true,
  requireHostHeader: false,
  shouldUpgradeCallback: (request: IncomingMessage): boolean => !hasBody(request),
} as const;

export interface ClientServersOptions {
  readonly feed: RoutesFeed;
  readonly clock: Clock;
  readonly handler: Handler;
  readonly dial: DialStream;
  /** Settings that OpenSSL does not take. */
  readonly onRefusedSettings: (reason: string) => void;
}

export class ClientServers {
  readonly plain: Server;
  readonly secure: Http2SecureServer;
  readonly #options: ClientServersOptions;
  readonly #contexts: CertificateContexts;
  readonly #open = new Set<Duplex>();
  readonly #sessions = new Set<Http2Session>();
  #accepted = 0;
  readonly #heads: FirstHeads;
  readonly #frontDoor: FrontDoor;
  readonly #parkings: readonly Parking[];
  /** What the secure server uses where no name says otherwise, as text. */
  #defaults = "";

  constructor(options: ClientServersOptions) {
    const { feed, clock, dial } = options;
    this.#options = options;
    this.#contexts = new CertificateContexts(clock.now());
    this.plain = this.#createPlain();
    this.secure = this.#createSecure();
    this.#heads = new FirstHeads(clock, () => headTimeoutMs(feed.table.config));
    this.#watchConnections();
    this.#parkings = [this.plain, this.secure].flatMap((server) => Parking.of(server, clock) ?? []);
    // It admits a connection to what listens by now.
    this.#frontDoor = new FrontDoor(feed, clock, dial, this.#contextOf);
    this.#frontDoor.guard(this.plain, this.secure);
    this.refresh();
  }
  /** So far, and now. */
  get connections(): { readonly accepted: number; readonly open: number } {
    return { accepted: this.#accepted, open: this.#open.size };
  }
  get fakeCertificate(): KeyPair {
    return this.#contexts.fake;
  }
  /** Takes over what the configuration says now. */
  refresh(): void {
    const { feed, onRefusedSettings } = this.#options;
    const { table } = feed;
    tuneServers(table.config, this.plain, this.secure);
    const servers = [...table.hosts.values(), ...table.wildcards.values(), table.fallback];
    const requestCert = servers.some((server) => server.clientCertificates !== undefined);
    Object.assign(this.secure, { requestCert, rejectUnauthorized: false });
    const defaults = this.#contexts.defaults(table, (key) => feed.secret(key));
    const text = JSON.stringify(defaults);
    if (text === this.#defaults) return;
    this.#defaults = text;
    try {
      this.secure.setSecureContext(defaults);
    } catch (error) {
      onRefusedSettings(error instanceof Error ? error.message : String(error));
    }
  }
  /** Ends connections that have no request under way; those of HTTP/2 take no new one. */
  closeIdle(): void {
    this.#frontDoor.closeWaiting();
    for (const session of this.#sessions) session.close();
    this.plain.closeIdleConnections();
    for (const parking of this.#parkings) parking.close();
  }
  close(): void {
    this.#frontDoor.close();
    this.#heads.close();
    for (const parking of this.#parkings) parking.close();
    for (const socket of this.#open) socket.destroy();
  }

  #malformed = (error: Error, socket: Duplex): void => {
    const { feed, clock } = this.#options;
    refuseMalformed(error, socket, feed.table.config, clock.now());
  };
  #contextOf = (name: string | undefined): SecureContext => {
    const { feed } = this.#options;
    return this.#contexts.context(feed.table, (key) => feed.secret(key), name);
  };
  /** What a handshake agrees on: use-http2, which servers that only redirect do not have. */
  #protocolOf = ({ servername, protocols }: { readonly servername: string; readonly protocols: readonly string[] }): string | undefined => {
    const { table } = this.#options.feed;
    const { redirectTo } = servername ? findServer(table, nameOf(servername)) : table.fallback;
    const offered = table.config.flag("use-http2", true) && redirectTo === undefined ? ["h2", "http/1.1"] : ["http/1.1"];
    return offered.find((protocol) => protocols.includes(protocol));
  };
  #createPlain(): Server {
    const { handler } = this.#options;
    const handle = (request: IncomingMessage, response: ServerResponse): void =>
      handler.handle(request, response, arrivalOf(request.socket, "http", 80));
    const plain = createServer(LIMITS, handle);
    plain.on("upgrade", (request, socket, head) => this.#upgrade(plain, request, socket, head, arrivalOf(socket, "http", 80)));
    plain.on("clientError", this.#malformed);
    plain.on("connect", (_, socket) => this.#malformed(new Error("CONNECT"), socket));
    // nginx looks at no expectation but 100-continue, and says so when it reads the body.
    plain.on("checkExpectation", handle);
    plain.on("checkContinue", handle);
    return plain;
  }
  #createSecure(): Http2SecureServer {
    const { feed, clock, handler } = this.#options;
    // Behind ssl-passthrough nginx has TLS on a port of its own.
    const port = feed.flags.enableSslPassthrough ? feed.flags.sslPassthroughProxyPort : 443;
    const SNICallback = (name: string, done: (error: Error | null, context?: SecureContext) => void): void => {
      try {
        done(null, this.#contextOf(name));
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    };
    const handle = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
      if (request.httpVersionMajor >= 2) countStream(request, feed.table.config);
      handler.handle(asHttp1(request), asHttp1Response(response), arrivalOf(socketOf(request), "https", port));
    };
    const secure = createSecureServer({ allowHTTP1: true, ...this.#contexts.fake, ...LIMITS, SNICallback }, handle);
    secure.on("checkExpectation", handle);
    secure.on("checkContinue", handle);
    // Node's HTTP/2 names protocols itself, which leaves no place for a callback.
    Object.assign(secure, { ALPNProtocols: undefined, ALPNCallback: this.#protocolOf });
    secure.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#upgrade(secure, request, socket, head, arrivalOf(socket, "https", port)),
    );
    secure.on("clientError", this.#malformed);
    secure.on("connect", (_: IncomingMessage, socket: Duplex) => this.#malformed(new Error("CONNECT"), socket));
    secure.on("tlsClientError", (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      const carrier = error.code === "ERR_SSL_HTTP_REQUEST" ? carrierOf(socket) : undefined;
      if (carrier) refusePlain(carrier, feed.table.config, clock.now());
    });
    secure.on("sessionError", () => {});
    secure.on("session", (session) => {
      this.#sessions.add(session);
      session.once("close", () => this.#sessions.delete(session));
    });
    return secure;
  }
  #upgrade(server: Server | Http2SecureServer, request: IncomingMessage, socket: Duplex, rest: Buffer, arrival: Arrival): void {
    const parking = this.#parkings.find((each) => each.server === server);
    const giveBack = (bytes: Buffer): void => (parking ? parking.take(socket as Socket, bytes) : void socket.end());
    const handle = (): void => this.#options.handler.handle(request, new BareResponse(request, socket, rest, giveBack), arrival);
    const before = answerUnderWay(socket);
    if (before) before.once("close", handle);
    else handle();
  }
  #watchConnections(): void {
    for (const server of [this.plain, this.secure])
      server.on("connection", (socket: Duplex) => {
        this.#accepted++;
        this.#open.add(socket);
        socket.once("close", () => this.#open.delete(socket));
      });
    this.plain.on("connection", (socket: Duplex) => this.#heads.awaitHead(socket));
    this.secure.on("connection", (socket: Duplex) => this.#heads.awaitHandshake(socket));
    this.secure.prependListener("secureConnection", (socket: TLSSocket) => {
      const carrier = carrierOf(socket);
      const origin = carrier && originOf(carrier);
      if (origin) setOrigin(socket, origin);
      if (carrier) this.#heads.forget(carrier);
      if (socket.alpnProtocol !== "h2") this.#heads.awaitHead(socket);
    });
  }
}

function socketOf(request: Http2ServerRequest): Socket {
  return request.stream?.session?.socket ?? request.socket;
}

/** The compatibility API of node:http2 stands in for node:http's classes here; what differs is asked by httpVersionMajor. */
const asHttp1 = (request: Http2ServerRequest): IncomingMessage => request as unknown as IncomingMessage;
const asHttp1Response = (response: Http2ServerResponse): ServerResponse => response as unknown as ServerResponse;
