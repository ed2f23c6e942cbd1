// Which endpoint each connection was given to: the client's source port matched with the cluster's own record of the flow.
// Either may come first. A port that is used again belongs to the later connection, told by the time at which the flow began.
import type { Clock } from "../../model/clock.ts";
import type { FlowRecord } from "../../model/ports.ts";
import type { Connection, Tally } from "./tally.ts";

export class FlowBook {
  readonly #tally: Tally;
  readonly #connections = new Map<string, Connection>();
  readonly #records = new Map<string, FlowRecord>();
  #open = true;
  #onMatch = (): void => {};

  constructor(tally: Tally) {
    this.#tally = tally;
  }
  /** A connection whose endpoint nobody told: `source` is its own end, `ip:port`. */
  opened(source: string, connection: Connection): void {
    const record = this.#records.get(source);
    this.#records.delete(source);
    if (record && isOf(record, connection)) this.#tally.attribute(connection, record.endpoint);
    else this.#connections.set(source, connection);
  }
  /** Reads flows until the stream ends or fails; then nothing more is waited for. */
  async follow(flows: AsyncIterable<FlowRecord>): Promise<void> {
    try {
      for await (const record of flows) this.#record(record);
    } finally {
      this.#open = false;
      this.#onMatch();
    }
  }
  #record(record: FlowRecord): void {
    const connection = this.#connections.get(record.source);
    if (!connection || !isOf(record, connection)) return void this.#records.set(record.source, record);
    this.#connections.delete(record.source);
    this.#tally.attribute(connection, record.endpoint);
    this.#onMatch();
  }
  /** Resolves when every connection that was answered has its endpoint, when no flow can come any more, or after `timeoutMs`. */
  settled(clock: Clock, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = clock.after(timeoutMs, () => check(true));
      const check = (late: boolean): void => {
        if (!late && this.#open && [...this.#connections.values()].some(({ answered }) => answered > 0)) return;
        timer.cancel();
        this.#onMatch = () => {};
        resolve();
      };
      this.#onMatch = () => check(false);
      check(false);
    });
  }
}

const isOf = (record: FlowRecord, connection: Connection): boolean => record.at >= connection.startedAt;
