// A request without a body.
import type { IncomingHttpHeaders } from "node:http";
import type { HttpRequest } from "./exchange.ts";
import type { RequestHead } from "./request-head.ts";

/** Of these the first one counts. Upstream: Node's lib/_http_incoming.js, matchKnownFields. */
const single = new Set(
  (
    "age authorization content-length content-type etag expires from host if-modified-since if-unmodified-since last-modified location " +
    "max-forwards proxy-authorization referer retry-after server user-agent"
  ).split(" "),
);

export class PlainRequest implements HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly httpVersion = "1.1";
  readonly rawHeaders: string[];
  readonly socket: HttpRequest["socket"];
  #headers: IncomingHttpHeaders | undefined;

  constructor(head: RequestHead, socket: HttpRequest["socket"]) {
    this.method = head.method;
    this.url = head.url;
    this.rawHeaders = head.rawHeaders;
    this.socket = socket;
  }
  get headers(): IncomingHttpHeaders {
    return (this.#headers ??= byName(this.rawHeaders));
  }
  resume(): this {
    return this;
  }
  once(_event: "end", listener: () => void): this {
    process.nextTick(listener);
    return this;
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<never> {}
}

function byName(rawHeaders: readonly string[]): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = {};
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase();
    const value = rawHeaders[i + 1] ?? "";
    const before = headers[name];
    if (name === "set-cookie") headers[name] = [...(headers[name] ?? []), value];
    else if (before === undefined) headers[name] = value;
    else if (!single.has(name)) headers[name] = `${String(before)}${name === "cookie" ? "; " : ", "}${value}`;
  }
  return headers;
}
