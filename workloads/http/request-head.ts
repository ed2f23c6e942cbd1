// The head of an ordinary request: complete in one piece, in origin form, HTTP/1.1, with one Host and without a body, an upgrade or an
// expectation. Everything else, and whatever is not perfectly written, is left to Node's parser, which is the one that refuses.
// Upstream: RFC 9112 §2–5, RFC 9110 §5.

/** `length`: of the head in bytes. `close`: the client asked for the connection's end. */
export interface RequestHead {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: string[];
  readonly close: boolean;
  readonly length: number;
}

const [USUAL, LONGEST] = [2048, 16_384];
const requestLine = /(GET|HEAD|OPTIONS|DELETE) (\/[\x21-\x7e]*) HTTP\/1\.1\r\n/y;
const field = /([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)\r\n/y;

/** Names that say more about the connection or the body than an ordinary request does. */
const special = new Set([
  "content-length",
  "transfer-encoding",
  "upgrade",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "trailer",
]);
const specialLengths = new Set([...special].map((name) => name.length));

/** The head at the start of `chunk`; undefined: not one of these. */
export function ordinaryHead(chunk: Buffer): RequestHead | undefined {
  return headOf(chunk.toString("latin1", 0, USUAL)) ?? (chunk.length > USUAL ? headOf(chunk.toString("latin1", 0, LONGEST)) : undefined);
}

function headOf(text: string): RequestHead | undefined {
  requestLine.lastIndex = 0;
  const [line, method = "", url = ""] = requestLine.exec(text) ?? [];
  if (line === undefined) return undefined;
  const rawHeaders: string[] = [];
  let close = false;
  let hosts = 0;
  let at = line.length;
  for (;;) {
    field.lastIndex = at;
    const found = field.exec(text);
    if (!found) break;
    at = field.lastIndex;
    const [, name = "", written = ""] = found;
    const value = withoutBlanks(written);
    rawHeaders.push(name, value);
    if (name.length === 4) {
      if (name.toLowerCase() === "host") hosts++;
    } else if (name.length === 10 && name.toLowerCase() === "connection") {
      const wish = value.toLowerCase();
      if (wish === "close") close = true;
      else if (wish !== "keep-alive") return undefined;
    } else if (specialLengths.has(name.length) && special.has(name.toLowerCase())) return undefined;
  }
  if (hosts !== 1 || text.charCodeAt(at) !== 13 || text.charCodeAt(at + 1) !== 10) return undefined;
  return { method, url, rawHeaders, close, length: at + 2 };
}

const isBlank = (code: number): boolean => code === 32 || code === 9;

/** Spaces and tabs around a value are not part of it. */
function withoutBlanks(written: string): string {
  let start = 0;
  let end = written.length;
  while (start < end && isBlank(written.charCodeAt(start))) start++;
  while (end > start && isBlank(written.charCodeAt(end - 1))) end--;
  return written.slice(start, end);
}
