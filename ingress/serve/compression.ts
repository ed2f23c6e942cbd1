// gzip and brotli towards the client, when the ConfigMap asks for them; off by default.
// Upstream: use-gzip, gzip-types, gzip-min-length, gzip-disable, enable-brotli, brotli-types, brotli-min-length; ngx_http_gzip_filter_module.
import type { Transform } from "node:stream";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import { BoundedRegex } from "../bounded-regex.ts";
import type { ControllerConfig } from "../config.ts";
import type { Exchange } from "../request/exchange.ts";
import { headerText } from "../request/variables.ts";

const TYPES =
  "application/atom+xml application/javascript application/x-javascript application/json application/rss+xml application/vnd.ms-fontobject " +
  "application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml application/xml font/opentype image/svg+xml image/x-icon " +
  "text/css text/javascript text/plain text/x-component";

export interface Coded {
  /** Undefined: the body goes as it is. */
  readonly stream: Transform | undefined;
  readonly lines: string[];
}

/** What becomes of this answer's body, and its header lines; undefined when nobody would get it compressed. */
export function compression(exchange: Exchange, status: number, lines: readonly string[]): Coded | undefined {
  const { config } = exchange.table;
  const [brotli, gzip] = [config.flag("enable-brotli", false), config.flag("use-gzip", false)];
  if ((!brotli && !gzip) || ![200, 403, 404].includes(status)) return undefined;
  const header = (name: string): string | undefined => {
    for (let i = 0; i + 1 < lines.length; i += 2) if (lines[i]?.toLowerCase() === name) return lines[i + 1];
    return undefined;
  };
  if ((header("content-encoding") ?? "") !== "") return undefined;
  const accepted = headerText(exchange, "accept-encoding");
  const type = header("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  const length = header("content-length");
  const fits = (prefix: string, minLength: number): boolean => {
    const types = config.text(`${prefix}-types`, TYPES).split(/\s+/);
    const long = length === undefined || Number(length) >= config.number(`${prefix}-min-length`, minLength);
    return long && (type === "text/html" || types.includes("*") || types.includes(type));
  };
  const http2 = exchange.facts.httpVersion.startsWith("2");
  const name = http2 ? "content-encoding" : "Content-Encoding";
  const byBrotli = brotli && fits("brotli", 20);
  const byGzip = gzip && fits("gzip", 256);
  // gzip_vary, which the template has beside gzip alone, speaks of what another client would get.
  const vary = gzip && (byBrotli || byGzip) ? [http2 ? "vary" : "Vary", "Accept-Encoding"] : [];
  if (byBrotli && accepts(accepted, "br")) {
    const params = { [constants.BROTLI_PARAM_QUALITY]: config.number("brotli-level", 4) };
    return { stream: createBrotliCompress({ params }), lines: [...uncounted(lines), name, "br", ...vary] };
  }
  const old = exchange.facts.httpVersion === "1.0";
  if (byGzip && !old && accepts(accepted, "gzip") && !disabled(config, headerText(exchange, "user-agent")))
    return { stream: createGzip({ level: config.number("gzip-level", 1) }), lines: [...uncounted(lines), name, "gzip", ...vary] };
  return vary.length > 0 ? { stream: undefined, lines: [...lines, ...vary] } : undefined;
}

/** ngx_http_gzip_accept_encoding: a word of its own, and not with q=0. */
function accepts(accepted: string, coding: string): boolean {
  const found = new RegExp(`(?:^|[ ,])${coding} *(?:$|,|;(.*))`, "is").exec(accepted);
  return found !== null && !/^ *q=0(?:\.0*)? *(?:$|,)/i.test(found[1] ?? "");
}

/** The lines of the body as it was that still hold. */
function uncounted(lines: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = (lines[i] ?? "").toLowerCase();
    if (name === "content-length" || name === "accept-ranges") continue;
    const value = lines[i + 1] ?? "";
    kept.push(lines[i] ?? "", name === "etag" && !value.startsWith("W/") ? `W/${value}` : value);
  }
  return kept;
}

/** `msie6` is nginx's name for Internet Explorer 4 to 6, but for 6 with SV1. */
function disabled(config: ControllerConfig, agent: string): boolean {
  const pattern = config.text("gzip-disable");
  if (pattern === "") return false;
  if (pattern === "msie6") return /MSIE [4-6]\./.test(agent) && !agent.includes("SV1");
  try {
    return new BoundedRegex(pattern, "i").test(agent);
  } catch {
    return false;
  }
}
