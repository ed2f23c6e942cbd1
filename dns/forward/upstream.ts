// One server that forward asks, and its health: after a failure it is probed until it answers again.
// Upstream: CoreDNS plugin/pkg/proxy and plugin/pkg/up. Left out: TLS and DoH.
import type { Timer } from "../../model/clock.ts";
import type { SocketAddress } from "../../model/ports.ts";
import { decodeReply } from "../decode.ts";
import type { DecodedReply } from "../decode.ts";
import { encodeQuery } from "../encode.ts";
import type { Query } from "../message.ts";
import type { PluginEnv } from "../plugin.ts";
import { exchangeOnce } from "../exchange.ts";
import { ConnectionPool } from "./connection-pool.ts";
import type { ForwardOptions } from "./options.ts";

const NS = 2;
const PROBE_TIMEOUT_MS = 1000;
const PROXY = { proxy_name: "forward" };

export class Upstream {
  readonly #address: SocketAddress;
  readonly #options: ForwardOptions;
  readonly #env: PluginEnv;
  readonly #pool: ConnectionPool;
  /** "127.96.0.99:53". */
  readonly name: string;
  #fails = 0;
  #probing = false;
  #closed = false;
  #timer: Timer | undefined;

  constructor(address: SocketAddress, options: ForwardOptions, env: PluginEnv) {
    this.#address = address;
    this.#options = options;
    this.#env = env;
    this.name = address.ip.includes(":") ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
    this.#pool = new ConnectionPool(address, options, env, { ...PROXY, to: this.name });
  }

  /** True after more than `max_fails` failed probes in a row. */
  get down(): boolean {
    return this.#options.maxFails > 0 && this.#fails > this.#options.maxFails;
  }

  /** One question over the client's transport, or the one that the options want; rejects when no answer comes. */
  async ask(query: Query): Promise<DecodedReply> {
    const { forceTcp, preferUdp, readTimeoutMs } = this.#options;
    const tcp = forceTcp || (!preferUdp && query.transport === "tcp");
    const start = this.#env.clock.monotonic();
    this.#env.metrics.counter("coredns_forward_requests_total", { to: this.name }).value++;
    let reply = await this.#exchange(query, tcp, readTimeoutMs);
    if (reply.truncated && preferUdp && !tcp) reply = await this.#exchange(query, true, readTimeoutMs);
    const [to, rcode] = [this.name, reply.rcode];
    const seconds = (this.#env.clock.monotonic() - start) / 1000;
    this.#env.metrics.counter("coredns_forward_responses_total", { to, rcode }).value++;
    this.#env.metrics.histogram("coredns_forward_request_duration_seconds", { to, rcode }).observe(seconds);
    this.#env.metrics.histogram("coredns_proxy_request_duration_seconds", { ...PROXY, to, rcode }).observe(seconds);
    return reply;
  }
  async #exchange(query: Query, tcp: boolean, timeoutMs: number): Promise<DecodedReply> {
    const { name, type, class: cls } = query.question;
    const id = this.#env.random.int(65_536);
    const { recursionDesired, checkingDisabled, authenticData, edns } = query;
    const flags = { recursionDesired, checkingDisabled, authenticData };
    const message = encodeQuery(id, name, type, { ...flags, class: cls, ...(edns ? { edns } : {}) });
    return decodeReply(await this.#pool.exchange(message, tcp ? "tcp" : "udp", timeoutMs));
  }

  /** Begins to probe, unless that is under way or switched off. */
  suspect(): void {
    if (this.#probing || this.#closed || this.#options.maxFails === 0) return;
    this.#probing = true;
    void this.#probe();
  }
  /** Any answer is a sign of life, whatever its code. */
  async #probe(): Promise<void> {
    const { checkDomain, checkRecursive, checkMs, forceTcp } = this.#options;
    const message = encodeQuery(this.#env.random.int(65_536), checkDomain, NS, { recursionDesired: checkRecursive });
    try {
      const limits = { tcp: forceTcp, timeoutMs: PROBE_TIMEOUT_MS };
      await exchangeOnce(this.#env.connect(this.#address, limits), message, limits);
      this.#fails = 0;
      this.#probing = false;
    } catch {
      if (this.#closed) return;
      this.#fails++;
      this.#env.metrics.counter("coredns_forward_healthcheck_failures_total", { to: this.name }).value++;
      this.#env.metrics.counter("coredns_proxy_healthcheck_failures_total", { ...PROXY, to: this.name }).value++;
      this.#timer = this.#env.clock.after(checkMs, () => void this.#probe(), { background: true });
    }
  }
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#pool.close();
  }
}
