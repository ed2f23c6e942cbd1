// What steps may ask of the world while a request is really served by a controller pod.
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Clock } from "../../model/clock.ts";
import type { Random } from "../../model/random.ts";
import type { HeaderLine } from "../answer.ts";
import { type DialPeer, PeerAgent, TlsPeerAgent } from "../engine/peer-agent.ts";
import type { SubrequestAnswer, World } from "../exchange.ts";
import type { RoutesFeed } from "./routes-feed.ts";

/** Bodies of subrequests are read up to this size. */
const BODY_LIMIT = 1024 * 1024;
const TIMEOUT_MS = 60_000;

/** The parts of a world that all requests of a controller share. */
export class ControllerWorld implements Omit<World, "onEnd"> {
  readonly clock: Clock;
  readonly random: Random;
  readonly #feed: RoutesFeed;
  readonly #states = new Map<string, unknown>();
  readonly #plain: PeerAgent;
  readonly #secure: TlsPeerAgent;

  constructor(feed: RoutesFeed, clock: Clock, random: Random, dial: DialPeer) {
    this.#feed = feed;
    this.clock = clock;
    this.random = random;
    this.#plain = new PeerAgent(dial);
    this.#secure = new TlsPeerAgent(dial);
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
  request(
    url: string,
    init: { readonly method: string; readonly headers: readonly HeaderLine[]; readonly body?: Buffer },
  ): Promise<SubrequestAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<SubrequestAnswer>();
    const target = new URL(url);
    const secure = target.protocol === "https:";
    const headers: Record<string, string | string[]> = {};
    for (const [name, value] of init.headers) {
      const before = headers[name];
      headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
    }
    const options = {
      host: target.hostname,
      port: target.port === "" ? (secure ? 443 : 80) : Number(target.port),
      method: init.method,
      path: `${target.pathname}${target.search}`,
      headers,
    };
    const sent = secure
      ? httpsRequest({ ...options, agent: this.#secure, rejectUnauthorized: false })
      : httpRequest({ ...options, agent: this.#plain });
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
    this.#plain.destroy();
    this.#secure.destroy();
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
  get clock(): Clock {
    return this.#shared.clock;
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
