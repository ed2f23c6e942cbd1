// The head of a request to a pod, byte for byte as Node's ClientRequest writes it behind http-proxy, so that a pod cannot tell the engines
// apart. Without a Connection line, as nginx leaves it out: HTTP/1.1 keeps connections by itself.
import type { ForwardRequest } from "./forward.ts";

/** What Node refuses in a header's value or a request line. */
const ILLEGAL_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

export interface RequestHead {
  /** With the empty line; Latin-1. */
  readonly text: string;
  /** The pod ends the connection with its answer. */
  readonly last: boolean;
  readonly chunked: boolean;
}

/** Throws for a target or a value that would break the framing. */
export function requestHead({ method, target, headers }: ForwardRequest): RequestHead {
  let text = `${method} ${target} HTTP/1.1\r\n`;
  let connection: string | undefined;
  let chunked = false;
  const put = (name: string, value: string): void => {
    if (ILLEGAL_VALUE.test(value)) throw new Error(`invalid character in header ${name}`);
    text += `${name}: ${value}\r\n`;
  };
  if (/[^\x21-\x7e\x80-\xff]/.test(target)) throw new Error("invalid character in the request target");
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined) continue;
    if (Array.isArray(value)) {
      if (name.toLowerCase() === "cookie") put(name, value.join("; "));
      else for (const one of value) put(name, one);
      continue;
    }
    const line = String(value);
    put(name, line);
    if (name.length === 10 && name.toLowerCase() === "connection") connection = line;
    else if (name === "Transfer-Encoding") chunked = true;
  }
  return { text: `${text}\r\n`, last: connection !== undefined && /\bclose\b/i.test(connection), chunked };
}
