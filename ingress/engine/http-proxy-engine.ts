// The engine of HTTP/1.1 and upgrades: http-proxy, wrapped against its faults.
//   no agent means a connection per request     → every request goes through our keep-alive agents, which dial through the fabric
//   util._extend warns, url.parse mangles paths → _extend is replaced before it is loaded; the path is set on the request itself
//   a client's abort never reaches the pod      → the attempt listens to the client and destroys the request
//   chunked DELETE and OPTIONS are smuggled     → the pass that drops their framing is taken out
//   X-Forwarded-* appended, hop-by-hop copied   → headers come from us; it sees no others
//   ws() loses what follows a 101, frames no    → web() carries upgrades too: a pod's 101 is an answer, with the pod's connection
//     refusal and ends the client on an error
//   throws without an error listener            → every call has a callback, and the server a listener
import type { ClientRequest, IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import type { Duplex } from "node:stream";
import util from "node:util";
import type HttpProxy from "http-proxy";
import type { Clock } from "../../model/clock.ts";
import type { Peer } from "../routes/upstreams.ts";
import { Attempt } from "./attempt.ts";
import { atEndOfTurn } from "./end-of-turn.ts";
import type { Forward, ForwardBody, ForwardClient, ForwardRequest, ForwardResponse } from "./forward.ts";
import { type DialPeer, PeerAgent, TlsPools } from "./peer-agent.ts";

/** DEP0060: http-proxy reads util._extend when it is loaded. */
(util as unknown as { _extend: typeof Object.assign })._extend = Object.assign;
const { createProxyServer } = createRequire(import.meta.url)("http-proxy") as typeof HttpProxy;

interface Passes {
  webPasses: readonly { readonly name: string }[];
}

/** What ClientRequest asks of an agent; Node does not type addRequest. */
interface RequestAgent {
  addRequest(request: ClientRequest, options: object): void;
}

export interface HttpProxyEngine extends Forward {
  /** An idle plain connection to the peer is at hand. */
  keeps(peer: Peer): boolean;
  /** Takes a plain connection that was dialled elsewhere, for the next request to the peer. */
  adopt(peer: Peer, socket: Duplex): void;
  close(): void;
}

/** `maxFreeSockets`: idle connections kept per peer. */
export function createHttpProxyEngine(clock: Clock, dial: DialPeer, maxFreeSockets = 320): HttpProxyEngine {
  const plain = new PeerAgent(dial, maxFreeSockets);
  const secure = new TlsPools(dial, maxFreeSockets);
  const proxy = createProxyServer({});
  const passes = proxy as unknown as Passes;
  passes.webPasses = passes.webPasses.filter((pass) => pass.name !== "deleteLength");
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

/** http-proxy pipes `buffer` instead of the client's request when there is one. */
function pipeOf(body: ForwardBody): { pipe(to: ClientRequest): void } {
  if (body.type === "stream") return body.stream as unknown as { pipe(to: ClientRequest): void };
  return { pipe: (to) => void (body.type === "bytes" ? to.end(body.bytes) : to.end()) };
}
