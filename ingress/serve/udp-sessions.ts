// UDP through the controller: one session per client, from its first datagram to the last answer expected.
// Upstream: ngx_stream_proxy_module for datagrams (proxy_responses, proxy_timeout).
import type { Clock, Timer } from "../../model/clock.ts";
import { ipFamily } from "../../model/ip.ts";
import type { ContainerContext, DatagramSocket, SocketAddress } from "../../model/ports.ts";
import type { Peer } from "../routes/upstreams.ts";
import type { StreamSubject } from "./stream-log.ts";

/** worker_connections: beyond it new clients get no answer. */
const LIMIT = 16_384;
/** Datagrams of one session that wait for a pod's name to be looked up. */
const WAITING = 64;
/** Looking for idle sessions costs a pass over all of them. */
const MIN_WATCH_MS = 1000;

export interface UdpSessionOptions {
  readonly clock: Clock;
  readonly context: Pick<ContainerContext, "openDatagram" | "lookup">;
  /** The peer of a new session. */
  pick(): Peer | undefined;
  /** Datagrams that a pod answers to each of a client's, after which the session is over (0: at once); and how long it may be idle. */
  settings(): { readonly responses: number; readonly timeoutMs: number };
  /** What is to be logged of a client's session, and that it is over. */
  begun?(source: SocketAddress): StreamSubject | undefined;
  ended?(subject: StreamSubject): void;
}

interface Session {
  readonly subject: StreamSubject | undefined;
  readonly socket: DatagramSocket;
  /** Undefined while a pod's name is looked up. */
  to: SocketAddress | undefined;
  readonly waiting: Uint8Array[];
  reply: (answer: Uint8Array) => void;
  requests: number;
  responses: number;
  seenAt: number;
}

export class UdpSessions {
  readonly #options: UdpSessionOptions;
  readonly #sessions = new Map<string, Session>();
  #timer: Timer | undefined;

  constructor(options: UdpSessionOptions) {
    this.#options = options;
  }
  get size(): number {
    return this.#sessions.size;
  }
  receive(message: Uint8Array, source: SocketAddress, reply: (answer: Uint8Array) => void): void {
    const key = `${source.ip}:${source.port}`;
    const session = this.#sessions.get(key) ?? this.#begin(key, source, message.length, reply);
    if (!session) return;
    if (session.subject) session.subject.received += message.length;
    session.reply = reply;
    session.requests++;
    session.seenAt = this.#options.clock.monotonic();
    if (session.to) this.#send(key, session, message, session.to);
    else if (session.waiting.length < WAITING) session.waiting.push(message);
  }
  close(): void {
    for (const [key, session] of this.#sessions) this.#end(key, session);
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #begin(key: string, source: SocketAddress, size: number, reply: (answer: Uint8Array) => void): Session | undefined {
    const { clock, context } = this.#options;
    const peer = this.#sessions.size < LIMIT ? this.#options.pick() : undefined;
    const subject = this.#options.begun?.(source);
    if (!peer) {
      if (subject) this.#options.ended?.(Object.assign(subject, { status: 502, received: size }));
      return undefined;
    }
    const startedAt = clock.monotonic();
    subject?.tries.push({ address: peer.id, startedAt, connectedAt: startedAt, firstByteAt: undefined });
    const socket = context.openDatagram((answer) => this.#answered(key, session, answer));
    socket.onError = () => this.#end(key, session);
    const known = ipFamily(peer.host) !== undefined;
    const to = known ? { ip: peer.host, port: peer.port } : undefined;
    const session: Session = { subject, socket, to, waiting: [], reply, requests: 0, responses: 0, seenAt: clock.monotonic() };
    this.#sessions.set(key, session);
    this.#watch();
    if (!known) void this.#resolve(key, session, peer);
    return session;
  }
  /** An ExternalName: what has come is sent when its address is known. */
  async #resolve(key: string, session: Session, peer: Peer): Promise<void> {
    const [ip] = await this.#options.context.lookup(peer.host).catch(() => []);
    if (this.#sessions.get(key) !== session) return;
    if (ip === undefined) return this.#end(key, session);
    session.to = { ip, port: peer.port };
    for (const message of session.waiting.splice(0)) this.#send(key, session, message, session.to);
  }
  #send(key: string, session: Session, message: Uint8Array, to: SocketAddress): void {
    session.socket.send(message, to);
    if (this.#options.settings().responses === 0) this.#end(key, session);
  }
  #answered(key: string, session: Session, answer: Uint8Array): void {
    if (this.#sessions.get(key) !== session) return;
    session.responses++;
    session.seenAt = this.#options.clock.monotonic();
    const { subject } = session;
    if (subject) {
      subject.sent += answer.length;
      const [tried] = subject.tries;
      if (tried) tried.firstByteAt ??= session.seenAt;
    }
    session.reply(answer);
    if (session.responses >= this.#options.settings().responses * session.requests) this.#end(key, session);
  }
  #end(key: string, session: Session): void {
    if (this.#sessions.get(key) === session) {
      this.#sessions.delete(key);
      if (session.subject) this.#options.ended?.(session.subject);
    }
    session.socket.close();
  }
  /** One timer, due when the session that has been idle longest is. */
  #watch(): void {
    if (this.#timer || this.#sessions.size === 0) return;
    const { clock, settings } = this.#options;
    let oldest = Infinity;
    for (const { seenAt } of this.#sessions.values()) oldest = Math.min(oldest, seenAt);
    const due = oldest + settings().timeoutMs - clock.monotonic();
    this.#timer = clock.after(Math.max(due, MIN_WATCH_MS), () => this.#onTimer(), { background: true });
  }
  #onTimer(): void {
    this.#timer = undefined;
    const { clock, settings } = this.#options;
    const { timeoutMs } = settings();
    for (const [key, session] of this.#sessions) if (clock.monotonic() - session.seenAt >= timeoutMs) this.#end(key, session);
    this.#watch();
  }
}
