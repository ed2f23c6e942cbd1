// One request to a pod of this process: waits for a connection, then for the answer's head, then hands out the body.
import { Readable } from "node:stream";
import type { Clock, Timer } from "../../model/clock.ts";
import { type ForwardRequest, type ForwardResponse, upstreamError, UpstreamError } from "./forward.ts";

/** What has come of a body before anyone reads it is held up to this size. */
const HELD_BYTES = 65_536;

/** The connection that carries a request. */
export interface Carrier {
  /** It has carried another one before. */
  readonly reused: boolean;
  /** The answer's reader has room again. */
  resume(): void;
  /** Nobody wants the answer. */
  giveUp(): void;
}

export class MemoryExchange implements ForwardResponse {
  readonly request: ForwardRequest;
  readonly result: Promise<ForwardResponse>;
  status = 0;
  statusText = "";
  rawHeaders: readonly string[] = [];
  connectedAt = 0;
  readonly #resolve: (response: ForwardResponse) => void;
  readonly #reject: (error: UpstreamError) => void;
  /** The body's length as the pod has announced it. */
  #length: number | undefined;
  #connection: Carrier | undefined;
  #connecting: Timer | undefined;
  #answered = false;
  /** The pod has said all. */
  #whole = false;
  #failure: Error | undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #stream: AnswerBody | undefined;
  #trailers: readonly string[] = [];
  #onClosed: (() => void) | undefined;

  constructor(request: ForwardRequest) {
    this.request = request;
    const { promise, resolve, reject } = Promise.withResolvers<ForwardResponse>();
    this.result = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }
  /** The request fails unless it has a connection within its connect timeout. */
  connecting(clock: Clock): void {
    const { connectTimeoutMs, peer } = this.request;
    const late = (): void =>
      this.fail(
        new UpstreamError("timeout", `timed out connecting to ${peer.id} after ${connectTimeoutMs} ms`, { requestSent: false }),
        false,
      );
    this.#connecting = clock.after(connectTimeoutMs, late, { background: true });
  }
  /** False when the request has been given up meanwhile. */
  connected(connection: Carrier | undefined): boolean {
    this.#connecting?.cancel();
    this.#connecting = undefined;
    if (this.#failure) return false;
    this.#connection = connection;
    return true;
  }
  /** Takes another engine's outcome for its own. */
  follow(outcome: Promise<ForwardResponse>): void {
    outcome.then(this.#resolve, this.#reject);
  }

  // What the connection tells.
  head(status: number, statusText: string, rawHeaders: readonly string[], length: number | undefined): void {
    this.#length = length;
    this.status = status;
    this.statusText = statusText;
    this.rawHeaders = rawHeaders;
    this.#answered = true;
    this.#resolve(this);
  }
  /** False: enough for now. */
  data(chunk: Buffer): boolean {
    if (this.#stream) return this.#stream.push(chunk);
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    return this.#heldBytes < HELD_BYTES;
  }
  end(trailers: readonly string[]): void {
    this.#whole = true;
    this.#trailers = trailers;
    this.#connection = undefined;
    this.#stream?.push(null);
  }
  fail(error: unknown, requestSent: boolean): void {
    if (this.#whole || this.#failure) return;
    this.#failure = upstreamError(error, { requestSent, reused: this.#connection?.reused ?? false });
    this.#connecting?.cancel();
    this.#connection = undefined;
    if (!this.#answered) this.#reject(this.#failure as UpstreamError);
    else this.#stream?.destroy(this.#failure);
  }
  /** No reader takes what has come, so the pod's silence is not its fault. */
  get unread(): boolean {
    return (
      this.#answered && (this.#stream ? this.#stream.readableLength >= this.#stream.readableHighWaterMark : this.#heldBytes >= HELD_BYTES)
    );
  }

  // What the handler asks.
  takeWhole(limitBytes: number): string | undefined {
    if (!this.#whole || this.#stream || this.#heldBytes !== this.#length || this.#heldBytes > limitBytes) return undefined;
    const [first] = this.#held;
    const text = this.#held.length > 1 ? Buffer.concat(this.#held).toString("latin1") : (first?.toString("latin1") ?? "");
    this.#held = [];
    this.#onClosed?.();
    return text;
  }
  discard(): void {
    if (!this.#whole || this.#stream) return void this.stream.resume();
    this.#held = [];
    this.#onClosed?.();
  }
  get stream(): Readable {
    if (this.#stream) return this.#stream;
    const stream = (this.#stream = new AnswerBody(
      () => this.#connection?.resume(),
      () => this.abort(),
    ));
    stream.once("close", () => this.#onClosed?.());
    stream.on("error", () => {});
    for (const chunk of this.#held) stream.push(chunk);
    this.#held = [];
    if (this.#whole) stream.push(null);
    else if (this.#failure) stream.destroy(this.#failure);
    return stream;
  }
  trailers(): readonly string[] {
    return this.#trailers;
  }
  onClosed(listener: () => void): void {
    this.#onClosed = listener;
  }
  abort = (): void => {
    const connection = this.#connection;
    this.fail(new UpstreamError("error", "the client has left", { requestSent: true }), true);
    connection?.giveUp();
  };
}

/** The body as a stream, which holds the connection back when it is not read. */
class AnswerBody extends Readable {
  readonly #more: () => void;
  readonly #dropped: () => void;

  constructor(more: () => void, dropped: () => void) {
    super({ highWaterMark: HELD_BYTES });
    this.#more = more;
    this.#dropped = dropped;
  }
  override _read(): void {
    this.#more();
  }
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#dropped();
    done(error);
  }
}
