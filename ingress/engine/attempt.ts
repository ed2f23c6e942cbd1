// One HTTP/1.1 request to a peer from the moment its ClientRequest exists: timers, the head of the answer, and every way to fail.
// Both HTTP/1.1 engines share it.
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../../model/clock.ts";
import { resetConnection } from "../../netsim/index.ts";
import { speakHttp10 } from "./http10.ts";
import { type ForwardRequest, type ForwardResponse, StreamedResponse, type Upgraded, upstreamError, UpstreamError } from "./forward.ts";

export class Attempt {
  readonly #clock: Clock;
  readonly #request: ForwardRequest;
  readonly #result = Promise.withResolvers<ForwardResponse>();
  #client: ClientRequest | undefined;
  #answer: IncomingMessage | undefined;
  #timer: Timer | undefined;
  #phase: "connect" | "answer" | "body" | "done" = "connect";
  #lastActivity = 0;
  #connectedAt = 0;
  #limitMs: number;
  /** The body is on its way: proxy-send-timeout counts. */
  #sending = false;

  constructor(clock: Clock, request: ForwardRequest) {
    this.#clock = clock;
    this.#request = request;
    this.#limitMs = request.connectTimeoutMs;
  }
  get result(): Promise<ForwardResponse> {
    return this.#result.promise;
  }
  /** Takes charge of the request as soon as it is made. */
  watch(client: ClientRequest): void {
    this.#client = client;
    if (this.#request.httpVersion === "1.0") speakHttp10(client);
    // Of a body that is not there nginx says nothing; Node would say that it is empty.
    if (this.#request.body.type === "none") client.useChunkedEncodingByDefault = false;
    // Node would say keep-alive, or close.
    if (!client.hasHeader("connection")) client.removeHeader("connection");
    this.#touch();
    this.#arm(this.#limitMs);
    client.once("socket", (socket) => {
      if (this.#phase !== "connect") return;
      this.#phase = "answer";
      this.#touch();
      this.#connectedAt = this.#lastActivity;
      if (client.writableFinished || this.#request.body.type === "none") return void (this.#limitMs = this.#request.readTimeoutMs);
      this.#limitMs = this.#request.sendTimeoutMs;
      this.#sending = true;
      socket.on("drain", this.#touch);
      client.once("finish", () => {
        this.#sending = false;
        socket.off("drain", this.#touch);
        this.#limitMs = this.#request.readTimeoutMs;
        this.#touch();
      });
    });
    client.once("response", (answer) => this.#onAnswer(answer));
    client.once("upgrade", (answer, socket, rest) => this.#onUpgrade(answer, socket, rest));
    client.on("error", (error) => this.fail(error));
    client.once("close", () => this.#finish());
  }
  fail(error: unknown): void {
    const failure = upstreamError(error, { requestSent: this.#phase !== "connect", reused: this.#client?.reusedSocket ?? false });
    const answer = this.#answer;
    this.#finish();
    this.#result.reject(failure);
    this.#giveUp();
    answer?.destroy(failure);
  }
  /** The client has left. */
  abort = (): void => {
    this.#finish();
    this.#result.reject(new UpstreamError("error", "the client has left", { requestSent: true }));
    this.#giveUp();
    this.#answer?.destroy();
  };

  #onAnswer(answer: IncomingMessage): void {
    this.#answer = answer;
    this.#phase = "body";
    this.#touch();
    answer.on("data", this.#touch);
    answer.pause();
    answer.once("close", () => this.#finish());
    answer.on("error", () => {});
    this.#resolve(answer);
  }
  /** From here on the connection is nobody's but the two whom it joins. */
  #onUpgrade(answer: IncomingMessage, socket: Duplex, rest: Buffer): void {
    const { headers } = this.#request;
    if (headers["Upgrade"] === undefined)
      return this.fail(new UpstreamError("invalid_header", "a change of protocol that nobody asked for", { requestSent: true }));
    this.#finish();
    socket.on("error", () => {});
    socket.once("close", () => answer.destroy());
    this.#resolve(answer, { socket, rest });
  }
  #resolve(answer: IncomingMessage, upgraded?: Upgraded): void {
    this.#result.resolve(
      new StreamedResponse({
        status: answer.statusCode ?? 502,
        statusText: answer.statusMessage ?? "",
        rawHeaders: answer.rawHeaders,
        stream: answer,
        connectedAt: this.#connectedAt,
        trailers: () => answer.rawTrailers,
        upgraded,
        abort: this.abort,
      }),
    );
  }
  #touch = (): void => {
    this.#lastActivity = this.#clock.monotonic();
  };
  /** One timer for the whole exchange: it looks again after what is left of the limit, or of a shorter one that may follow. */
  #arm(leftMs: number): void {
    const { readTimeoutMs, sendTimeoutMs } = this.#request;
    this.#timer = this.#clock.after(Math.min(leftMs, readTimeoutMs, sendTimeoutMs), () => this.#onTimer(), { background: true });
  }
  #onTimer(): void {
    if (this.#phase === "done") return;
    const left = this.#lastActivity + this.#limitMs - this.#clock.monotonic();
    // A reader that does not read (a slow client) is not the pod's silence.
    if (this.#phase === "body" && this.#answer?.isPaused() === true) this.#touch();
    // Nor is a client that has not sent its body yet.
    else if (this.#sending && this.#client?.writableLength === 0) this.#touch();
    else if (left <= 0) {
      const what = this.#phase === "connect" ? "connecting to" : this.#sending ? "sending the body to" : "reading the answer of";
      return this.fail(
        new UpstreamError("timeout", `timed out ${what} ${this.#request.peer.id} after ${this.#limitMs} ms`, {
          requestSent: this.#phase !== "connect",
        }),
      );
    }
    this.#arm(Math.max(1, left));
  }
  /** A reset tells the pod at once; a mere end would look like a client that still waits for its answer. */
  #giveUp(): void {
    const socket = this.#client?.socket;
    if (socket) resetConnection(socket);
    this.#client?.destroy();
  }
  #finish(): void {
    this.#phase = "done";
    this.#timer?.cancel();
  }
}
