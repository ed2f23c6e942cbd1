// The engine for pods of this process: HTTP/1.1 of our own over the fabric's in-memory connections, without a socket, a ClientRequest and
// an Agent between two ends of one program (docs/decisions/0004-memory-engine.md). Whatever leaves the process, and TLS, HTTP/1.0 and
// upgrades, is http-proxy's. Which of the two it is shows when the fabric has connected, and a connection stays with its engine.
import type { Clock } from "../../model/clock.ts";
import { MemorySocket } from "../../netsim/index.ts";
import type { Forward, ForwardClient, ForwardRequest, ForwardResponse } from "./forward.ts";
import type { HttpProxyEngine } from "./http-proxy-engine.ts";
import { MemoryConnection } from "./memory-connection.ts";
import { MemoryExchange } from "./memory-exchange.ts";
import type { DialPeer } from "./peer-agent.ts";

export interface MemoryEngine extends Forward {
  close(): void;
}

/** `maxIdle`: idle connections kept per peer (upstream-keepalive-connections). */
export function createMemoryEngine(clock: Clock, dial: DialPeer, beyond: HttpProxyEngine, maxIdle = 320): MemoryEngine {
  const idle = new Map<string, MemoryConnection[]>();
  const all = new Set<MemoryConnection>();
  const owner = {
    onIdle(connection: MemoryConnection): void {
      let waiting = idle.get(connection.peerId);
      if (!waiting) idle.set(connection.peerId, (waiting = []));
      if (waiting.length < maxIdle) waiting.push(connection);
      else connection.close();
    },
    onClosed(connection: MemoryConnection): void {
      all.delete(connection);
      const waiting = idle.get(connection.peerId);
      const at = waiting?.indexOf(connection) ?? -1;
      if (at >= 0) waiting?.splice(at, 1);
      if (waiting?.length === 0) idle.delete(connection.peerId);
    },
  };
  /** The one that was used last, as the youngest is the least likely to be closed by the pod. */
  const kept = (peerId: string): MemoryConnection | undefined => {
    const waiting = idle.get(peerId);
    for (let connection = waiting?.pop(); connection; connection = waiting?.pop()) if (connection.usable) return connection;
    return undefined;
  };
  const start = (exchange: MemoryExchange, connection: MemoryConnection): void => {
    try {
      connection.start(exchange);
    } catch (error) {
      exchange.fail(error, false);
      connection.close();
    }
  };
  const connect = async (exchange: MemoryExchange, client: ForwardClient): Promise<void> => {
    const { request } = exchange;
    const { peer } = request;
    exchange.connecting(clock);
    try {
      const socket = await dial(peer.host, peer.port);
      if (!(socket instanceof MemorySocket)) {
        beyond.adopt(peer, socket);
        if (exchange.connected(undefined)) exchange.follow(beyond.send(client, request));
        return;
      }
      const connection = new MemoryConnection(clock, peer.id, socket, owner);
      all.add(connection);
      if (exchange.connected(connection)) start(exchange, connection);
      else connection.rest();
    } catch (error) {
      exchange.fail(error, false);
    }
  };
  return {
    name: "memory",
    send(client: ForwardClient, request: ForwardRequest): Promise<ForwardResponse> {
      if (request.tls || request.httpVersion === "1.0" || beyond.keeps(request.peer)) return beyond.send(client, request);
      const exchange = new MemoryExchange(request);
      if (client.signal.aborted) exchange.abort();
      else {
        client.signal.onAbort(exchange.abort);
        const connection = kept(request.peer.id);
        if (connection && exchange.connected(connection)) start(exchange, connection);
        else void connect(exchange, client);
      }
      return exchange.result;
    },
    close() {
      for (const connection of [...all]) connection.close();
    },
  };
}
