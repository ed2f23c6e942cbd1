// The headers that curl sends: its own, and those of -H, which replace or remove them.
import type { CurlOptions } from "./curl-options.ts";

/** The version that the stand-in says it is. */
export const VERSION = "8.10.1";

/** Names and values in the order in which curl sends them; `trusted` is false after a redirect to another host, which gets no password. */
export function requestHeaders(url: URL, body: Buffer | undefined, options: CurlOptions, trusted: boolean): (readonly [string, string])[] {
  const custom = options.headers.map((line) => {
    const at = line.search(/[:;]/);
    return at < 0 ? undefined : ([line.slice(0, at).trim(), line.slice(at + 1).trim(), line[at] === ";"] as const);
  });
  const overridden = new Set(custom.map((header) => header?.[0].toLowerCase()));
  const user =
    options.values.get("user") ??
    (url.username === "" ? undefined : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`);
  const defaults: readonly (readonly [string, string | undefined])[] = [
    ["Host", url.host],
    [
      "Authorization",
      user === undefined || !trusted ? undefined : `Basic ${Buffer.from(user.includes(":") ? user : `${user}:`).toString("base64")}`,
    ],
    ["User-Agent", options.values.get("user-agent") ?? `curl/${VERSION}`],
    ["Accept", "*/*"],
    ["Accept-Encoding", options.on.has("compressed") ? "identity" : undefined],
    ["Referer", options.values.get("referer")],
    ["Cookie", options.values.get("cookie")],
    ["Content-Length", body ? String(body.length) : undefined],
    ["Content-Type", body ? "application/x-www-form-urlencoded" : undefined],
  ];
  const out: (readonly [string, string])[] = [];
  const host = custom.findLast((header) => header?.[0].toLowerCase() === "host");
  for (const [name, value] of defaults) {
    if (name === "Host" && host && host[1] !== "") out.push(["Host", host[1]]);
    else if (value !== undefined && value !== "" && !overridden.has(name.toLowerCase())) out.push([name, value]);
  }
  for (const header of custom)
    if (header && header[0].toLowerCase() !== "host" && (header[1] !== "" || header[2])) out.push([header[0], header[1]]);
  return out;
}
