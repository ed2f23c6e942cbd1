// How the generator's connections are opened: straight to a socket address, or through the gateway (CONNECT), as the pod that asks.
// Both are ordinary sockets of this process; the kernel and the cluster see a user's program.
import { Agent, type ClientRequestArgs, type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import type { SocketAddress } from "../../model/ports.ts";

/** Opens connections to one target. */
export interface Transport {
  readonly via: "direct" | "gateway";
  /** One client with at most one connection; without `keepAlive` each request opens its own. */
  agent(keepAlive: boolean): Agent;
  /** Where `agent`'s requests say that they go. */
  readonly target: { readonly host: string; readonly port: number };
  /** The endpoint that a connection was given to, where the opening told. */
  endpointOf(connection: Duplex): string | undefined;
}

/** Dials a socket address of this machine. */
export function directTransport(to: SocketAddress): Transport {
  return {
    via: "direct",
    agent: (keepAlive) => new Agent({ keepAlive, maxSockets: 1 }),
    target: { host: to.ip, port: to.port },
    endpointOf: () => undefined,
  };
}

export interface GatewayTransportOptions {
  readonly gateway: SocketAddress;
  /** A name or address of the cluster. */
  readonly host: string;
  readonly port: number;
  /** `namespace/name` of the pod to connect as; without it the host. */
  readonly pod?: string;
}

/** Dials through the gateway: works on every system, and as a pod. */
export function gatewayTransport({ gateway, host, port, pod }: GatewayTransportOptions): Transport {
  const endpoints = new WeakMap<Duplex, string>();
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const headers = {
    host: authority,
    ...(pod === undefined ? {} : { "proxy-authorization": `Basic ${Buffer.from(`${pod}:`).toString("base64")}` }),
  };
  const open = (done: (error: Error | null, stream: Duplex) => void): void => {
    const asked = request({ host: gateway.ip, port: gateway.port, method: "CONNECT", path: authority, headers, agent: false });
    // A failed opening has no stream; Node's types want one all the same.
    const fail = (error: Error): void => (done as (error: Error) => void)(error);
    asked.on("error", fail);
    asked.on("connect", (answer, socket, head) => {
      if (answer.statusCode !== 200) {
        socket.destroy();
        return fail(refusalOf(answer));
      }
      const endpoint = answer.headers["x-loopkube-endpoint"];
      if (typeof endpoint === "string") endpoints.set(socket, endpoint);
      if (head.length > 0) socket.unshift(head);
      done(null, socket);
    });
    asked.end();
  };
  return {
    via: "gateway",
    agent: (keepAlive) => new TunnelAgent(keepAlive, open),
    target: { host, port },
    endpointOf: (connection) => endpoints.get(connection),
  };
}

class TunnelAgent extends Agent {
  readonly #open: (done: (error: Error | null, stream: Duplex) => void) => void;
  constructor(keepAlive: boolean, open: (done: (error: Error | null, stream: Duplex) => void) => void) {
    super({ keepAlive, maxSockets: 1 });
    this.#open = open;
  }
  override createConnection(_options: ClientRequestArgs, done?: (error: Error | null, stream: Duplex) => void): undefined {
    if (done) this.#open(done);
  }
}

/** The error that a dial of the cluster's own would have had. */
function refusalOf(answer: IncomingMessage): NodeJS.ErrnoException {
  const code = answer.headers["x-loopkube-error"];
  const error: NodeJS.ErrnoException = new Error(
    typeof code === "string" ? `connect ${code}` : `the gateway answered ${answer.statusCode}`,
  );
  if (typeof code === "string") error.code = code;
  return error;
}
