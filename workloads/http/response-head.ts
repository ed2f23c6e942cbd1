// The head of an answer as Node writes it: the program's headers in their order, then Date, Connection and how the body is framed.
// Upstream: Node's lib/_http_outgoing.js, _storeHeader.
import { STATUS_CODES } from "node:http";
import type { HeaderValue } from "./exchange.ts";
import { httpDate } from "./date.ts";

/** What the exchange knows beside the program's headers. */
export interface Framing {
  readonly hasBody: boolean;
  /** Known when the program ends the answer with its first words. */
  readonly bodyBytes: number | undefined;
  readonly shouldKeepAlive: boolean;
  /** The program wants no Connection header of Node's. */
  readonly bare: boolean;
  /** 0: none is told. */
  readonly keepAliveSeconds: number;
  readonly nowMs: number;
}

export interface ResponseHead {
  readonly text: string;
  readonly chunked: boolean;
  /** The connection ends with this answer. */
  readonly last: boolean;
}

const close = /(?:^|\W)close(?:$|\W)/i;
const chunkedCoding = /(?:^|\W)chunked(?:$|\W)/i;

export function responseHead(status: number, reason: string | undefined, headers: readonly string[], framing: Framing): ResponseHead {
  let text = `HTTP/1.1 ${status} ${reason ?? STATUS_CODES[status] ?? "unknown"}\r\n`;
  let { shouldKeepAlive } = framing;
  let dated = false;
  let connection = false;
  let last = false;
  let sized = false;
  let coded = false;
  let chunked = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? "";
    const value = headers[i + 1] ?? "";
    text += `${name}: ${value}\r\n`;
    switch (name.length) {
      case 4:
        dated ||= name.toLowerCase() === "date";
        break;
      case 10:
        if (name.toLowerCase() !== "connection") break;
        connection = true;
        if (close.test(value)) last = true;
        else shouldKeepAlive = true;
        break;
      case 14:
        sized ||= name.toLowerCase() === "content-length";
        break;
      case 17:
        if (name.toLowerCase() !== "transfer-encoding") break;
        coded = true;
        chunked ||= chunkedCoding.test(value);
        break;
    }
  }
  if (!dated) text += `Date: ${httpDate(framing.nowMs)}\r\n`;
  if (chunked && (status === 204 || status === 304)) {
    chunked = false;
    shouldKeepAlive = false;
  }
  if (framing.bare) last ||= !shouldKeepAlive;
  else if (!connection) {
    if (!shouldKeepAlive) {
      last = true;
      text += "Connection: close\r\n";
    } else
      text +=
        framing.keepAliveSeconds > 0
          ? `Connection: keep-alive\r\nKeep-Alive: timeout=${framing.keepAliveSeconds}\r\n`
          : "Connection: keep-alive\r\n";
  }
  if (!sized && !coded && framing.hasBody) {
    if (framing.bodyBytes !== undefined) text += `Content-Length: ${framing.bodyBytes}\r\n`;
    else {
      text += "Transfer-Encoding: chunked\r\n";
      chunked = true;
    }
  }
  return { text: `${text}\r\n`, chunked: chunked && framing.hasBody, last };
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const unfit = /[^\t\x20-\x7e\x80-\xff]/;

/** A header as text. Throws TypeError for one that would not be a header, as Node does. */
export function headerText(name: string, value: HeaderValue): string | readonly string[] {
  if (!token.test(name)) throw headerError("ERR_INVALID_HTTP_TOKEN", `Header name must be a valid HTTP token ["${name}"]`);
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return fit(name, value);
  return value.map((each) => fit(name, each));
}

function fit(name: string, value: string): string {
  if (value === undefined) throw headerError("ERR_HTTP_INVALID_HEADER_VALUE", `Invalid value "undefined" for header "${name}"`);
  if (unfit.test(value)) throw headerError("ERR_INVALID_CHAR", `Invalid character in header content ["${name}"]`);
  return value;
}

const headerError = (code: string, message: string): Error => Object.assign(new TypeError(message), { code });
