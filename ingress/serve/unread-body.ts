// A client that waits to be told to send its body, and one whose body nobody reads.
// Upstream: ngx_http_test_expect, ngx_http_discard_request_body, ngx_http_set_lingering_close.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../model/clock.ts";
import type { RequestRecord } from "../request/request-record.ts";

/** `HTTP/1.1 100 Continue CRLF CRLF`, which nginx counts to the body it has sent. */
const CONTINUE_BYTES = 25;

/** Expect: 100-continue is answered once, where the body is read. nginx does not over HTTP/2. */
export function tellToContinue(request: IncomingMessage, response: ServerResponse, record: RequestRecord): void {
  if (record.continued || request.httpVersion !== "1.1" || request.headers.expect?.toLowerCase() !== "100-continue") return;
  record.continued = true;
  record.framingBytes += CONTINUE_BYTES;
  response.writeContinue();
}

/** nginx's lingering_timeout and lingering_time. */
const SILENCE_MS = 5_000;
const MOST_MS = 30_000;

/** A connection that ends behind an answer stays until the body has come: closed under way, its reset would take the answer from the client. */
export function linger(request: IncomingMessage, clock: Clock): void {
  const { socket } = request;
  const since = clock.monotonic();
  let heardAt = since;
  let ended = false;
  const heard = (): void => void (heardAt = clock.monotonic());
  const release = (): void => {
    timer.cancel();
    request.off("data", heard);
    if (!Reflect.deleteProperty(socket, "destroySoon") || !ended) return;
    socket.destroySoon();
  };
  const look = (): void => {
    const left = Math.min(heardAt + SILENCE_MS, since + MOST_MS) - clock.monotonic();
    if (left > 0) timer = clock.after(left, look, { background: true });
    else socket.destroy();
  };
  let timer = clock.after(SILENCE_MS, look, { background: true });
  // What Node calls when an answer was the connection's last.
  Object.defineProperty(socket, "destroySoon", { value: () => void (ended = true), configurable: true });
  request.on("data", heard);
  request.once("close", release);
}
