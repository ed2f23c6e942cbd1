// The listeners of tcp-services and udp-services of one controller pod, kept as their ConfigMaps say.
// Upstream: the template's stream block. A port that goes leaves its connections alone, as an old worker does.
import type { Duplex } from "node:stream";
import { type Balancer, balancerKind } from "../../balancers/index.ts";
import type { Clock } from "../../model/clock.ts";
import type { ContainerContext, Registration } from "../../model/ports.ts";
import type { Random } from "../../model/random.ts";
import { createTcpServer } from "../../netsim/index.ts";
import { timeMs } from "../annotations/annotation.ts";
import type { ControllerConfig } from "../config.ts";
import { proxyHeader, type ProxiedConnection } from "../proxy-protocol.ts";
import { isTrustedProxy } from "../request/real-ip.ts";
import type { StreamService } from "../routes/stream-services.ts";
import type { Peer } from "../routes/upstreams.ts";
import { addressesOf, takeProxyHeader } from "./front-door.ts";
import { relay } from "./relay.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";
import type { StreamEnd, StreamLog, StreamSubject } from "./stream-log.ts";
import { UdpSessions } from "./udp-sessions.ts";

/** proxy_protocol_timeout of ngx_stream_core_module. */
const PROXY_HEADER_MS = 30_000;

/** What of a container the listeners use. */
export type StreamContext = Pick<ContainerContext, "listen" | "listenUdp" | "dial" | "lookup" | "openDatagram" | "stderr">;

interface Open {
  service: StreamService;
  readonly registration: Registration;
  /** Of a UDP port. */
  readonly sessions: UdpSessions | undefined;
}

export class StreamListeners {
  readonly #feed: RoutesFeed;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #context: StreamContext;
  readonly #log: StreamLog;
  /** By `TCP 9000`. */
  readonly #open = new Map<string, Open>();
  readonly #balancers = new Map<string, Balancer>();
  readonly #sockets = new Set<Duplex>();
  #told = new Set<string>();
  #work: Promise<void> = Promise.resolve();
  #pending = 0;
  #closed = false;
  readonly #tracking: Disposable;

  constructor(feed: RoutesFeed, clock: Clock, random: Random, context: StreamContext, log: StreamLog) {
    this.#feed = feed;
    this.#clock = clock;
    this.#random = random;
    this.#context = context;
    this.#log = log;
    this.#tracking = feed.track({ name: "ingress-streams", idle: () => this.#pending === 0 });
  }
  /** TCP connections and UDP sessions under way. */
  get held(): number {
    return this.#sockets.size + [...this.#open.values()].reduce((sum, { sessions }) => sum + (sessions?.size ?? 0), 0);
  }
  #left = (): void => {};
  /** Opens and closes listeners as the feed says now; resolves when that is done. */
  refresh(): Promise<void> {
    this.#pending++;
    return (this.#work = this.#work.then(() => this.#refresh()).finally(() => this.#pending--));
  }
  /** Nobody is let in from now on; resolves when those who are in have left. */
  async drained(): Promise<void> {
    this.#closed = true;
    await this.#work;
    await Promise.all([...this.#open.values()].map(({ registration }) => registration.close()));
    if (this.#sockets.size > 0) await new Promise<void>((resolve) => (this.#left = resolve));
  }
  close(): void {
    this.#tracking[Symbol.dispose]();
    for (const socket of this.#sockets) socket.destroy();
    for (const { sessions } of this.#open.values()) sessions?.close();
    this.#open.clear();
  }

  async #refresh(): Promise<void> {
    if (this.#closed) return;
    const { services, problems } = this.#feed.streams;
    this.#tell(problems.map(({ text }) => text));
    const wanted = new Map(services.map((service) => [`${service.protocol} ${service.port}`, service]));
    for (const [key, open] of this.#open) {
      const service = wanted.get(key);
      if (service) open.service = service;
      else {
        this.#open.delete(key);
        open.sessions?.close();
        await open.registration.close();
      }
    }
    for (const [key, service] of wanted) if (!this.#open.has(key)) await this.#listen(key, service);
  }
  async #listen(key: string, service: StreamService): Promise<void> {
    const current = (): StreamService => this.#open.get(key)?.service ?? service;
    try {
      if (service.protocol === "TCP") {
        const server = createTcpServer((socket) => void this.#serve(socket, current()));
        this.#open.set(key, { service, registration: await this.#context.listen(service.port, server), sessions: undefined });
        return;
      }
      const sessions = new UdpSessions({
        clock: this.#clock,
        context: this.#context,
        pick: () => this.#pick(current()),
        settings: () => udpSettings(this.#feed.table.config),
        begun: (source) => this.#subject(current(), source, { ip: source.ip, port: service.port }),
        ended: (subject) => this.#ended(subject),
      });
      const registration = await this.#context.listenUdp(service.port, (message, source, reply) =>
        sessions.receive(message, source, reply),
      );
      this.#open.set(key, { service, registration, sessions });
    } catch (error) {
      this.#context.stderr.write(`${service.protocol} port ${service.port}: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
  #tell(problems: readonly string[]): void {
    for (const problem of problems) if (!this.#told.has(problem)) this.#context.stderr.write(`${problem}\n`);
    this.#told = new Set(problems);
  }

  async #serve(socket: Duplex, service: StreamService): Promise<void> {
    this.#hold(socket);
    const { config } = this.#feed.table;
    const own = addressesOf(socket);
    let source = own;
    let refused = false;
    const begun = this.#subject(service, peerOf(own), own && { ip: own.destinationIp, port: own.destinationPort });
    if (service.decode) {
      const header = await takeProxyHeader(socket, this.#clock, PROXY_HEADER_MS);
      if (header?.type === "header") source = realSource(source, header.connection, config);
      else refused = true;
    }
    const subject = begun && { ...begun, client: peerOf(source) };
    if (subject) {
      if (refused) subject.status = 400;
      socket.on("close", () => this.#ended(subject));
    }
    if (refused) return void socket.destroy();
    const pod = await this.#connect(socket, service, subject);
    if (!pod) {
      if (subject && !socket.destroyed) subject.status = 502;
      return void socket.destroy();
    }
    this.#hold(pod);
    if (subject) count(subject, socket, pod, this.#clock);
    if (service.encode) pod.write(source ? proxyHeader(source) : "PROXY UNKNOWN\r\n");
    relay(socket, pod, { clock: this.#clock, timeoutMs: timeMs(config.text("proxy-stream-timeout", "600s")) ?? 600_000 });
  }
  /** proxy-stream-next-upstream: another peer when one cannot be connected to. */
  async #connect(socket: Duplex, service: StreamService, subject: StreamSubject | undefined): Promise<Duplex | undefined> {
    const { config } = this.#feed.table;
    const asked = config.flag("proxy-stream-next-upstream", true) ? config.number("proxy-stream-next-upstream-tries", 3) : 1;
    // 0 is no limit; once each is all that can help.
    const tries = asked > 0 ? asked : service.peers.length;
    const left = new AbortController();
    socket.once("close", () => left.abort());
    const inTime = this.#within(timeMs(config.text("proxy-stream-next-upstream-timeout", "600s")) ?? 600_000);
    for (let i = 0; i < tries && !socket.destroyed && (i === 0 || inTime()); i++) {
      const peer = this.#pick(service);
      if (!peer) return undefined;
      const tried = { address: peer.id, startedAt: this.#clock.monotonic(), connectedAt: undefined, firstByteAt: undefined };
      subject?.tries.push(tried);
      try {
        const pod = await this.#context.dial(peer.host, peer.port, { signal: left.signal });
        Object.assign(tried, { connectedAt: this.#clock.monotonic() });
        if (!socket.destroyed) return pod;
        pod.destroy();
      } catch {
        // The next one, when there is one.
      }
    }
    return undefined;
  }
  /** 0 is no limit. */
  #within(limitMs: number): () => boolean {
    const startedAt = this.#clock.monotonic();
    return () => limitMs === 0 || this.#clock.monotonic() - startedAt < limitMs;
  }
  #pick({ upstream, peers }: StreamService): Peer | undefined {
    let balancer = this.#balancers.get(upstream);
    if (!balancer) {
      const created = balancerKind("round-robin")?.create({ random: this.#random.fork(upstream) });
      if (!created) return undefined;
      this.#balancers.set(upstream, (balancer = created));
    }
    return balancer.pick(peers, { key: "", nowMs: this.#clock.monotonic() });
  }
  /** What will be logged of a stream; undefined when nothing will. */
  #subject({ protocol, upstream }: StreamService, client: StreamEnd | undefined, server: StreamEnd | undefined): StreamSubject | undefined {
    if (!this.#log.wants(this.#feed.table.config)) return undefined;
    const startedAt = this.#clock.monotonic();
    const zero = { status: 200, received: 0, sent: 0, endedAt: 0, nowMs: 0 } as const;
    return { protocol, upstream, client, server, peer: client, startedAt, tries: [], ...zero };
  }
  #ended(subject: StreamSubject): void {
    subject.endedAt = this.#clock.monotonic();
    subject.nowMs = this.#clock.now();
    this.#log.write(this.#feed.table.config, subject);
  }
  #hold(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on("error", ignoreError);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#left();
    });
  }
}

const ignoreError = (): void => {};

const peerOf = (connection: ProxiedConnection | undefined): StreamEnd | undefined =>
  connection && { ip: connection.sourceIp, port: connection.sourcePort };

/** Both ways, as they pass. */
function count(subject: StreamSubject, socket: Duplex, pod: Duplex, clock: Clock): void {
  const tried = subject.tries.at(-1);
  socket.on("data", (chunk: Buffer) => (subject.received += chunk.length));
  pod.on("data", (chunk: Buffer) => {
    subject.sent += chunk.length;
    if (tried) tried.firstByteAt ??= clock.monotonic();
  });
}

/** With enable-real-ip a trusted balancer's word is taken for who the client is; without, its header is only taken off. */
function realSource(
  own: ProxiedConnection | undefined,
  told: ProxiedConnection | undefined,
  config: ControllerConfig,
): ProxiedConnection | undefined {
  if (!own || !told || !config.flag("enable-real-ip", false)) return own;
  const trusted = isTrustedProxy(own.sourceIp, config);
  return trusted ? { ...own, sourceIp: told.sourceIp, sourcePort: told.sourcePort } : own;
}

function udpSettings(config: ControllerConfig): { readonly responses: number; readonly timeoutMs: number } {
  return {
    responses: config.decimal("proxy-stream-responses", 1),
    timeoutMs: timeMs(config.text("proxy-stream-timeout", "600s")) ?? 600_000,
  };
}
