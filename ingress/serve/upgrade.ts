// A request for another protocol. Node's server lets its connection go; the request is answered as any other, and the connection is
// the server's again, unless a pod has changed the protocol: then the two are joined.
// Upstream: ngx_http_upstream_upgrade.
import { type IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ForwardResponse, Upgraded } from "../engine/forward.ts";
import type { Exchange } from "../request/exchange.ts";
import { addHsts, clientHeaders } from "../request/headers.ts";
import { relay, type RelayIdle } from "./relay.ts";

/** The answer on a connection that the server has let go. */
export class BareResponse extends ServerResponse {
  readonly #client: Duplex;
  /** What the client has sent behind its request. */
  readonly #rest: Buffer;
  #pod: Upgraded | undefined;

  /** `giveBack`: the connection may carry another request. */
  constructor(request: IncomingMessage, client: Duplex, rest: Buffer, giveBack: (rest: Buffer) => void) {
    super(request);
    this.#client = client;
    this.#rest = rest;
    if (/\bclose\b/i.test(request.headers.connection ?? "")) this.shouldKeepAlive = false;
    this.assignSocket(client as Socket);
    const onDrain = (): void => void (this.writableNeedDrain && this.emit("drain"));
    client.on("error", () => {}).on("drain", onDrain);
    // As long as it may be idle between two requests, which this is no more.
    if ("setTimeout" in client && typeof client.setTimeout === "function") client.setTimeout(0);
    this.once("finish", () => {
      this.detachSocket(client as Socket);
      client.off("drain", onDrain);
      if (this.#pod) return;
      this.#over();
      if (Reflect.get(this, "_last") === true) client.end();
      else giveBack(rest);
    });
  }
  /** Passes the pod's 101, and joins the two until one of them ends or both have been silent. */
  join(answer: ForwardResponse, pod: Upgraded, exchange: Exchange, idle: RelayIdle): void {
    this.#pod = pod;
    const { record } = exchange;
    addHsts(exchange);
    const lines = clientHeaders(exchange, answer.status, answer.rawHeaders, false);
    this.writeHead(answer.status, answer.statusText, [...lines, "Connection", "upgrade"]);
    this.#client.once("close", () => this.#over());
    this.once("finish", () => {
      pod.socket.on("data", (chunk: Buffer) => void (record && (record.bodyBytes += chunk.length)));
      if (record) record.bodyBytes += pod.rest.length;
      if (pod.rest.length > 0) this.#client.write(pod.rest);
      if (this.#rest.length > 0) pod.socket.write(this.#rest);
      relay(this.#client, pod.socket, idle);
    });
    this.end();
  }
  /** As Node's server tells of an answer that has gone out. */
  #over(): void {
    this.destroyed = true;
    this.emit("close");
  }
}
