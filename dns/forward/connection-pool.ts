// The connections to one upstream: those that have answered are kept and used again, the oldest first, until nothing was asked for `expire`.
// Upstream: CoreDNS plugin/pkg/proxy persistent.go and connect.go.
import type { Timer } from "../../model/clock.ts";
import type { SocketAddress } from "../../model/ports.ts";
import type { DnsConnection } from "../connection.ts";
import type { PluginEnv } from "../plugin.ts";
import { failureText } from "./failure-text.ts";
import type { Failed } from "./failure-text.ts";

const failed = (cause: unknown, where: Failed): Error => new Error(failureText(cause, where), { cause });

const SWEEP_MS = 10_000;
const [MIN_DIAL_MS, MAX_DIAL_MS] = [1000, 30_000];
/** How much one dial moves the average. */
const DIAL_WEIGHT = 4;

export interface PoolOptions {
  readonly expireMs: number;
  /** Since it was opened; 0: no limit. */
  readonly maxAgeMs: number;
  /** Of one transport; 0: no limit. */
  readonly maxIdleConns: number;
}

interface Kept {
  readonly connection: DnsConnection;
  readonly openedAt: number;
  readonly usedAt: number;
}
type Proto = "udp" | "tcp";

export class ConnectionPool {
  readonly #server: SocketAddress;
  readonly #options: PoolOptions;
  readonly #env: PluginEnv;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #kept: Readonly<Record<Proto, Kept[]>> = { udp: [], tcp: [] };
  #averageDialMs = MAX_DIAL_MS / 2;
  #sweep: Timer | undefined;
  #closed = false;

  constructor(server: SocketAddress, options: PoolOptions, env: PluginEnv, labels: Readonly<Record<string, string>>) {
    this.#server = server;
    this.#options = options;
    this.#env = env;
    this.#labels = labels;
  }

  /** One message and its answer. A kept connection that the server has closed meanwhile is as if it had not been there. */
  async exchange(message: Buffer, proto: Proto, timeoutMs: number): Promise<Buffer> {
    for (;;) {
      const kept = this.#take(proto);
      const { connection, openedAt } = kept ?? (await this.#open(proto));
      try {
        const answer = await connection.exchange(message, { timeoutMs });
        this.#keep(proto, connection, openedAt);
        return answer;
      } catch (error) {
        connection.close();
        const { local, ended } = connection;
        if (!kept || !ended) throw failed(error, { proto, during: "read", server: this.#server, local, ended });
      }
    }
  }

  close(): void {
    this.#closed = true;
    this.#sweep?.cancel();
    for (const kept of Object.values(this.#kept)) for (const { connection } of kept.splice(0)) connection.close();
  }

  #take(proto: Proto): Kept | undefined {
    for (let kept = this.#kept[proto].shift(); kept; kept = this.#kept[proto].shift()) {
      const now = this.#env.clock.monotonic();
      const { expireMs, maxAgeMs } = this.#options;
      if (now - kept.usedAt <= expireMs && (maxAgeMs === 0 || now - kept.openedAt <= maxAgeMs)) {
        this.#count("hits", proto);
        return kept;
      }
      kept.connection.close();
    }
    this.#count("misses", proto);
    return undefined;
  }

  async #open(proto: Proto): Promise<{ readonly connection: DnsConnection; readonly openedAt: number }> {
    const { clock, connect } = this.#env;
    const start = clock.monotonic();
    const average = this.#averageDialMs;
    const timeoutMs = average < MIN_DIAL_MS ? MIN_DIAL_MS : average < MAX_DIAL_MS / 2 ? 2 * average : MAX_DIAL_MS;
    try {
      return { connection: await connect(this.#server, { tcp: proto === "tcp", timeoutMs }), openedAt: clock.monotonic() };
    } catch (error) {
      throw failed(error, { proto, during: "dial", server: this.#server });
    } finally {
      this.#averageDialMs += (clock.monotonic() - start - average) / DIAL_WEIGHT;
    }
  }

  #keep(proto: Proto, connection: DnsConnection, openedAt: number): void {
    const { clock } = this.#env;
    const kept = this.#kept[proto];
    const { maxIdleConns } = this.#options;
    if (this.#closed || (maxIdleConns > 0 && kept.length >= maxIdleConns)) return connection.close();
    kept.push({ connection, openedAt, usedAt: clock.monotonic() });
    this.#sweep ??= clock.after(SWEEP_MS, () => this.#onSweep(), { background: true });
  }

  /** Closes what nobody has asked for, so that it does not wait for the next question. */
  #onSweep(): void {
    const now = this.#env.clock.monotonic();
    const { expireMs, maxAgeMs } = this.#options;
    const isLive = ({ usedAt, openedAt }: Kept): boolean => now - usedAt < expireMs && (maxAgeMs === 0 || now - openedAt <= maxAgeMs);
    const { udp, tcp } = this.#kept;
    for (const kept of [udp, tcp])
      for (const each of kept.splice(0)) {
        if (isLive(each)) kept.push(each);
        else each.connection.close();
      }
    this.#sweep = udp.length + tcp.length === 0 ? undefined : this.#env.clock.after(SWEEP_MS, () => this.#onSweep(), { background: true });
  }

  #count(what: "hits" | "misses", proto: Proto): void {
    this.#env.metrics.counter(`coredns_proxy_conn_cache_${what}_total`, { ...this.#labels, proto }).value++;
  }
}
