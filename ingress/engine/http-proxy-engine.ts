// The engine of HTTP/1.1 and WebSocket: http-proxy, wrapped against its faults.
//   no agent means a connection per request     → every request goes through our keep-alive agents, which dial through the fabric
//   util._extend warns, url.parse mangles paths → _extend is replaced before it is loaded; the path is set on the request itself
//   a client's abort never reaches the pod      → the attempt listens to the client and destroys the request
//   chunked DELETE and OPTIONS are smuggled     → the pass that drops their framing is taken out
//   upgrades to anything but websocket are cut  → that pass is taken out too
//   X-Forwarded-* appended, hop-by-hop copied   → headers come from us; it sees no others
//   ends the client's socket with every error   → an upgrade keeps it open until a pod has answered: another one may follow
//   throws without an error listener            → every call has a callback, and the server a listener
import type { ClientRequest, IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import type { Duplex } from "node:stream";
import util from "node:util";
import type HttpProxy from "http-proxy";
import type { Clock } from "../../model/clock.ts";
import type { Peer } from "../upstreams.ts";
import { Attempt } from "./attempt.ts";
import { atEndOfTurn } from "./end-of-turn.ts";
import type { Forward, ForwardBody, ForwardClient, ForwardRequest, ForwardResponse } from "./forward.ts";
import { type DialPeer, PeerAgent, TlsPools } from "./peer-agent.ts";

/** DEP0060: http-proxy reads util._extend when it is loaded. */
(util as unknown as { _extend: typeof Object.assign })._extend = Object.assign;
const { createProxyServer } = createRequire(import.meta.url)("http-proxy") as typeof HttpProxy;

interface Passes {
  webPasses: readonly { readonly name: string }[];
  wsPasses: readonly { readonly name: string }[];
}

/** What ClientRequest asks of an agent; Node does not type addRequest. */
interface RequestAgent {
  addRequest(request: ClientRequest, options: object): void;
}

export interface HttpProxyEngine extends Forward {
  /** Carries an upgraded connection; resolves when it is over. `edit` may change the 101's headers. */
  upgrade(client: UpgradeClient, request: ForwardRequest): Promise<void>;
  /** An idle plain connection to the peer is at hand. */
  keeps(peer: Peer): boolean;
  /** Takes a plain connection that was dialled elsewhere, for the next request to the peer. */
  adopt(peer: Peer, socket: Duplex): void;
  close(): void;
}

export interface UpgradeClient {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly idleTimeoutMs: number;
  onUpgraded(answer: IncomingMessage): void;
  /** The pod answers without changing the protocol. */
  onRefused(answer: IncomingMessage): void;
}

/** `maxFreeSockets`: idle connections kept per peer. */
export function createHttpProxyEngine(clock: Clock, dial: DialPeer, maxFreeSockets = 320): HttpProxyEngine {
  const plain = new PeerAgent(dial, maxFreeSockets);
  const secure = new TlsPools(dial, maxFreeSockets);
  const proxy = createProxyServer({});
  const passes = proxy as unknown as Passes;
  passes.webPasses = passes.webPasses.filter((pass) => pass.name !== "deleteLength");
  passes.wsPasses = passes.wsPasses.filter((pass) => pass.name !== "checkMethodAndHeader");
  proxy.on("error", () => {});

  const agentFor = ({ tls, target }: ForwardRequest, made: (request: ClientRequest) => void): object => {
    const pool: RequestAgent = (tls ? secure.of(tls) : plain) as unknown as RequestAgent;
    return {
      keepAlive: true,
      maxSockets: Infinity,
      protocol: tls ? "https:" : "http:",
      defaultPort: tls ? 443 : 80,
      addRequest(request: ClientRequest, options: object): void {
        request.path = target;
        made(request);
        atEndOfTurn(() => pool.addRequest(request, options));
      },
    };
  };
  const targetOf = ({ peer, tls }: ForwardRequest): object => ({
    protocol: tls ? "https:" : "http:",
    host: peer.host,
    hostname: peer.host,
    port: peer.port,
    path: "/",
  });

  return {
    name: "http-proxy",
    send(client: ForwardClient, request: ForwardRequest): Promise<ForwardResponse> {
      const attempt = new Attempt(clock, request);
      if (client.signal.aborted) attempt.abort();
      else client.signal.onAbort(attempt.abort);
      const options = {
        target: targetOf(request),
        agent: agentFor(request, (made) => attempt.watch(made)),
        method: request.method,
        selfHandleResponse: true,
        ignorePath: true,
        // Else it parses a URL that it then ignores.
        toProxy: true,
        secure: tlsChecked(request),
        buffer: pipeOf(request.body),
      };
      try {
        const shown = new ShownRequest(client.request, request) as unknown as IncomingMessage;
        proxy.web(shown, client.response, options as unknown as HttpProxy.ServerOptions, (error) => attempt.fail(error));
      } catch (error) {
        attempt.fail(error);
      }
      return attempt.result;
    },

    upgrade(client: UpgradeClient, request: ForwardRequest): Promise<void> {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const { socket } = client;
      let made: ClientRequest | undefined;
      let answered = false;
      const release = keepOpen(socket);
      const onHead = (): void => {
        answered = true;
        release();
      };
      const watch = (proxied: ClientRequest): void => {
        made = proxied;
        const connecting = clock.after(request.connectTimeoutMs, () => proxied.destroy(timeoutError()), { background: true });
        proxied.once("socket", () => connecting.cancel());
        const answering = clock.after(request.connectTimeoutMs + request.readTimeoutMs, () => proxied.destroy(timeoutError()), {
          background: true,
        });
        proxied.once("close", () => (connecting.cancel(), answering.cancel()));
        proxied.prependListener("upgrade", (answer: IncomingMessage, peer: Duplex) => {
          answering.cancel();
          onHead();
          client.onUpgraded(answer);
          endTogether(clock, socket, peer, client.idleTimeoutMs);
        });
        proxied.once("response", (answer: IncomingMessage) => {
          answering.cancel();
          onHead();
          client.onRefused(answer);
          // http-proxy pipes a refusal to the client and forgets it.
          answer.once("end", () => socket.end());
        });
      };
      socket.once("close", () => {
        made?.destroy();
        resolve();
      });
      client.request.headers = request.headers as IncomingMessage["headers"];
      const options = {
        target: targetOf(request),
        agent: agentFor(request, watch),
        method: request.method,
        ignorePath: true,
        // Else it parses a URL that it then ignores.
        toProxy: true,
        secure: tlsChecked(request),
      };
      try {
        proxy.ws(client.request, socket, client.head, options as unknown as HttpProxy.ServerOptions, (error) =>
          queueMicrotask(() => {
            // What breaks off later has ended the socket.
            if (answered) return;
            release();
            reject(error);
          }),
        );
      } catch (error) {
        release();
        reject(error);
      }
      return promise;
    },
    keeps: (peer) => plain.keeps(peer),
    adopt: (peer, socket) => plain.adopt(peer, socket),
    close() {
      plain.destroy();
      secure.destroy();
      proxy.removeAllListeners();
    },
  };
}

/** As much of the client's request as http-proxy looks at. The attempt listens to the client, so listeners here are not kept. */
class ShownRequest {
  readonly method: string;
  readonly url = "/";
  readonly headers: ForwardRequest["headers"];
  readonly httpVersion: string;
  readonly socket: IncomingMessage["socket"];
  readonly connection: IncomingMessage["socket"];

  constructor(request: IncomingMessage, { method, headers }: ForwardRequest) {
    this.method = method;
    this.headers = headers;
    this.httpVersion = request.httpVersion;
    this.socket = request.socket;
    this.connection = request.socket;
  }
  on(): this {
    return this;
  }
}

/** http-proxy would say it itself, above what the pool says. */
const tlsChecked = ({ tls }: ForwardRequest): boolean => tls?.rejectUnauthorized ?? false;

function timeoutError(): Error {
  return Object.assign(new Error("the pod did not answer in time"), { code: "ETIMEDOUT" });
}

/** http-proxy pipes `buffer` instead of the client's request when there is one. */
function pipeOf(body: ForwardBody): { pipe(to: ClientRequest): void } {
  if (body.type === "stream") return body.stream as unknown as { pipe(to: ClientRequest): void };
  return { pipe: (to) => void (body.type === "bytes" ? to.end(body.bytes) : to.end()) };
}

/** Both directions end together; silence on both for `idleMs` ends them. */
function endTogether(clock: Clock, a: Duplex, b: Duplex, idleMs: number): void {
  let last = clock.monotonic();
  const touch = (): void => void (last = clock.monotonic());
  const look = (): void => {
    const left = last + idleMs - clock.monotonic();
    if (left <= 0) return void (a.destroy(), b.destroy());
    timer = clock.after(left, look, { background: true });
  };
  let timer = clock.after(idleMs, look, { background: true });
  for (const socket of [a, b]) {
    socket.on("data", touch);
    socket.on("error", () => {});
    socket.once("close", () => {
      timer.cancel();
      a.destroy();
      b.destroy();
    });
  }
}

/** http-proxy ends the client's socket with every error, where another pod or a page may follow. */
function keepOpen(socket: Duplex): () => void {
  Object.defineProperty(socket, "end", { value: () => socket, configurable: true });
  return () => void Reflect.deleteProperty(socket, "end");
}
