// A request target as nginx sees it: raw for the pod, decoded and normalised for matching.
// Upstream: ngx_http_parse_complex_uri (merge_slashes on), ngx_escape_uri. Text is Latin-1 of the bytes, as nginx compares bytes.

/** What follows the path in a request line. */
export interface RequestTarget {
  /** Path and query as sent, to the end: what a pod gets when nothing rewrites. */
  readonly raw: string;
  /** Of an absolute target: its host and port, which decide instead of the Host header. */
  readonly authority: string | undefined;
  /** Path as sent, without the query. */
  readonly rawPath: string;
  /** Query without `?`; undefined when there is none. */
  readonly query: string | undefined;
  /** Decoded, dots and slashes resolved. */
  readonly path: string;
}

const SIMPLE = /^\/(?:[A-Za-z0-9_~!$&'()*,;=:@-][A-Za-z0-9._~!$&'()*,;=:@-]*(?:\/|$))*$/;

/** Undefined: nginx answers 400 (a bad escape, a NUL, or `..` above the root). Takes `/path?query` and absolute `http://host/path`. */
export function parseTarget(target: string): RequestTarget | undefined {
  const absolute = /^https?:\/\/([^/?#]*)/i.exec(target);
  let origin = absolute ? target.slice(absolute[0].length) : target;
  if (absolute && !origin.startsWith("/")) origin = `/${origin}`;
  if (!origin.startsWith("/")) return undefined;
  const hash = origin.indexOf("#");
  const sent = hash < 0 ? origin : origin.slice(0, hash);
  const mark = sent.indexOf("?");
  const rawPath = mark < 0 ? sent : sent.slice(0, mark);
  const query = mark < 0 ? undefined : sent.slice(mark + 1);
  const path = normalisePath(rawPath);
  return path === undefined ? undefined : { raw: origin, authority: absolute?.[1], rawPath, query, path };
}

/** Decodes escapes, then resolves `//`, `/./` and `/../`. */
export function normalisePath(raw: string): string | undefined {
  if (SIMPLE.test(raw)) return raw;
  let decoded = raw;
  if (raw.includes("%")) {
    if (/%(?![0-9A-Fa-f]{2})/.test(raw)) return undefined;
    decoded = raw.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  if (decoded.includes("\0")) return undefined;
  const segments: string[] = [];
  const parts = decoded.split("/");
  const last = parts.length - 1;
  for (const [index, part] of parts.entries()) {
    if (part === "" || part === ".") {
      if (index === last) segments.push("");
    } else if (part === "..") {
      if (segments.pop() === undefined) return undefined;
      if (index === last) segments.push("");
    } else segments.push(part);
  }
  return `/${segments.join("/")}`;
}

/** ngx_escape_uri with NGX_ESCAPE_URI: what a rewritten path looks like on the wire. */
export function escapePath(path: string): string {
  return path.replace(/[\0-\x20"#%<>?\\^`{|}\x7f-\uffff]/g, escapeOne);
}

/** NGX_ESCAPE_ARGS: captures that land in a query. */
export function escapeArguments(text: string): string {
  return text.replace(/[\0-\x20"#%&+;<>?\\^`{|}\x7f-\uffff]/g, escapeOne);
}

/** NGX_ESCAPE_URI_COMPONENT, as set-misc's and Lua's escape_uri make it. */
export function escapeComponent(text: string): string {
  return text.replace(/[^A-Za-z0-9._~-]/g, escapeOne);
}

function escapeOne(character: string): string {
  return [...Buffer.from(character, character.charCodeAt(0) < 256 ? "latin1" : "utf8")]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
    .join("");
}
