// What steps may ask of the world while a request is really served by a controller pod.
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex, Writable } from "node:stream";
import type { Clock } from "../../model/clock.ts";
import type { Random } from "../../model/random.ts";
import { speakHttp10 } from "../engine/http10.ts";
import { type DialPeer, PeerAgent, TlsPeerAgent } from "../engine/peer-agent.ts";
import type { HeaderLine } from "../request/answer.ts";
import type { KeepAlive, Subrequest, SubrequestAnswer, World } from "../request/exchange.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";

/** Bodies of subrequests are read up to this size. */
const BODY_LIMIT = 1024 * 1024;
const TIMEOUT_MS = 60_000;

/** auth-keepalive-requests: how often a connection may be used. */
class Uses {
  readonly #most: number;
  readonly #uses = new WeakMap<object, number>();
  constructor(keep: KeepAlive | undefined) {
    this.#most = keep?.requests ?? 1;
  }
  spent(socket: object): boolean {
    const used = (this.#uses.get(socket) ?? 0) + 1;
    this.#uses.set(socket, used);
    return used >= this.#most;
  }
}

class KeptPlain extends PeerAgent {
  readonly #uses: Uses;
  constructor(dial: DialPeer, keep: KeepAlive | undefined) {
    super(dial, keep?.connections ?? 1, keep?.timeoutMs);
    this.#uses = new Uses(keep);
  }
  override keepSocketAlive(socket: Duplex): boolean {
    const kept: unknown = super.keepSocketAlive(socket);
    return !this.#uses.spent(socket) && kept !== false;
  }
}

class KeptSecure extends TlsPeerAgent {
  readonly #uses: Uses;
  constructor(dial: DialPeer, keep: KeepAlive | undefined) {
    // SNI is the name that is asked, as proxy_ssl_server_name in the template's auth location says.
    super(dial, keep?.connections ?? 1, { rejectUnauthorized: false, servername: undefined }, keep?.timeoutMs);
    this.#uses = new Uses(keep);
  }
  override keepSocketAlive(socket: Duplex): boolean {
    const kept: unknown = super.keepSocketAlive(socket);
    return !this.#uses.spent(socket) && kept !== false;
  }
}

/** The parts of a world that all requests of a controller share. */
export class ControllerWorld implements Omit<World, "onEnd"> {
  readonly pod: World["pod"];
  readonly clock: Clock;
  readonly random: Random;
  readonly #feed: RoutesFeed;
  readonly #states = new Map<string, unknown>();
  readonly #dial: DialPeer;
  readonly #kept = new Map<string, { readonly plain: KeptPlain; readonly secure: KeptSecure }>();

  readonly errorLog: (line: string) => void;

  constructor(feed: RoutesFeed, clock: Clock, random: Random, dial: DialPeer, errors: Writable, pod: World["pod"]) {
    this.pod = pod;
    this.errorLog = (line) => void errors.write(`${line}\n`);
    this.#feed = feed;
    this.clock = clock;
    this.random = random;
    this.#dial = dial;
  }
  secret(key: string): Readonly<Record<string, Buffer>> | undefined {
    return this.#feed.secret(key);
  }
  configMap(key: string): Readonly<Record<string, string>> | undefined {
    return this.#feed.configMap(key);
  }
  state<T>(key: string, create: () => T): T {
    if (!this.#states.has(key)) this.#states.set(key, create());
    return this.#states.get(key) as T;
  }
  /** Connections kept as one setting says, and for one request alone without. */
  #agents(keep: KeepAlive | undefined): { readonly plain: KeptPlain; readonly secure: KeptSecure } {
    const key = keep ? `${keep.connections} ${keep.requests} ${keep.timeoutMs}` : "";
    let agents = this.#kept.get(key);
    if (!agents) this.#kept.set(key, (agents = { plain: new KeptPlain(this.#dial, keep), secure: new KeptSecure(this.#dial, keep) }));
    return agents;
  }
  request(url: string, init: Subrequest): Promise<SubrequestAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<SubrequestAnswer>();
    const target = new URL(url);
    const secure = target.protocol === "https:";
    const headers: Record<string, string | string[]> = {};
    for (const [name, value] of init.headers) {
      const before = headers[name];
      headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
    }
    if (!init.keepAlive) headers["Connection"] = "close";
    const { plain, secure: tls } = this.#agents(init.keepAlive);
    const options = {
      host: target.hostname,
      port: target.port === "" ? (secure ? 443 : 80) : Number(target.port),
      method: init.method,
      path: `${target.pathname}${target.search}`,
      headers,
    };
    const sent = secure ? httpsRequest({ ...options, agent: tls, rejectUnauthorized: false }) : httpRequest({ ...options, agent: plain });
    if (init.httpVersion === "1.0") speakHttp10(sent);
    // Of a body that is not there nginx says nothing.
    if (!init.body) sent.useChunkedEncodingByDefault = false;
    const timer = this.clock.after(TIMEOUT_MS, () => sent.destroy(new Error(`${url} did not answer`)), { background: true });
    sent.once("close", () => timer.cancel());
    sent.once("error", reject);
    sent.once("response", (answer) => {
      const chunks: Buffer[] = [];
      let size = 0;
      answer.on("data", (chunk: Buffer) => {
        if ((size += chunk.length) <= BODY_LIMIT) chunks.push(chunk);
      });
      answer.once("error", reject);
      answer.once("end", () => {
        const lines: HeaderLine[] = [];
        for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) lines.push([answer.rawHeaders[i] ?? "", answer.rawHeaders[i + 1] ?? ""]);
        resolve({ status: answer.statusCode ?? 500, headers: lines, body: Buffer.concat(chunks).toString("latin1") });
      });
    });
    sent.end(init.body);
    return promise;
  }
  close(): void {
    for (const { plain, secure } of this.#kept.values()) {
      plain.destroy();
      secure.destroy();
    }
  }
}

/** The world of one request: the controller's, and an end of its own. */
export class RequestWorld implements World {
  readonly #shared: ControllerWorld;
  readonly onEnd: World["onEnd"];

  constructor(shared: ControllerWorld, onEnd: World["onEnd"]) {
    this.#shared = shared;
    this.onEnd = onEnd;
  }
  get pod(): World["pod"] {
    return this.#shared.pod;
  }
  get clock(): Clock {
    return this.#shared.clock;
  }
  get errorLog(): (line: string) => void {
    return this.#shared.errorLog;
  }
  get random(): Random {
    return this.#shared.random;
  }
  secret(key: string): ReturnType<World["secret"]> {
    return this.#shared.secret(key);
  }
  configMap(key: string): ReturnType<World["configMap"]> {
    return this.#shared.configMap(key);
  }
  state<T>(key: string, create: () => T): T {
    return this.#shared.state(key, create);
  }
  request(...asked: Parameters<World["request"]>): Promise<SubrequestAnswer> {
    return this.#shared.request(...asked);
  }
}
