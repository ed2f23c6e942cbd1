// gzip and brotli towards the client, when the ConfigMap asks for them; off by default.
// Upstream: use-gzip, gzip-types, gzip-min-length, gzip-disable, enable-brotli, brotli-types, brotli-min-length; ngx_http_gzip_filter_module.
import type { Transform } from "node:stream";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import { BoundedRegex } from "../bounded-regex.ts";
import type { ControllerConfig } from "../config.ts";
import type { Exchange } from "../exchange.ts";
import { headerText } from "../variables.ts";

const TYPES =
  "application/atom+xml application/javascript application/x-javascript application/json application/rss+xml application/vnd.ms-fontobject " +
  "application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml application/xml font/opentype image/svg+xml image/x-icon " +
  "text/css text/javascript text/plain text/x-component";

/** Header lines of this answer, and its compressor where the client takes one; undefined when nothing of it is for compressing. */
export function compression(
  exchange: Exchange,
  status: number,
  lines: string[],
): { readonly stream?: Transform; readonly lines: string[] } | undefined {
  const { config } = exchange.table;
  const [brotli, gzip] = [config.flag("enable-brotli", false), config.flag("use-gzip", false)];
  if ((!brotli && !gzip) || ![200, 403, 404].includes(status)) return undefined;
  const header = (name: string): string | undefined => {
    for (let i = 0; i + 1 < lines.length; i += 2) if (lines[i]?.toLowerCase() === name) return lines[i + 1];
    return undefined;
  };
  if (header("content-encoding") !== undefined) return undefined;
  const accepted = headerText(exchange, "accept-encoding");
  const type = header("content-type")?.split(";")[0]?.trim() ?? "";
  const length = header("content-length");
  const fits = (prefix: string, minLength: number): boolean => {
    const types = config.text(`${prefix}-types`, TYPES).split(/\s+/);
    const long = length === undefined || Number(length) >= config.number(`${prefix}-min-length`, minLength);
    return long && (type === "text/html" || types.includes("*") || types.includes(type));
  };
  const [forBrotli, forGzip] = [brotli && fits("brotli", 20), gzip && fits("gzip", 256)];
  if (!forBrotli && !forGzip) return undefined;
  // gzip_vary stands beside use-gzip alone.
  const varied = gzip ? [...lines, "vary", "Accept-Encoding"] : lines;
  if (forBrotli && accepts(accepted, "br")) {
    return {
      stream: createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: config.number("brotli-level", 4) } }),
      lines: encoded(varied, "br"),
    };
  }
  if (forGzip && accepts(accepted, "gzip") && !disabled(config, headerText(exchange, "user-agent"))) {
    return { stream: createGzip({ level: config.number("gzip-level", 1) }), lines: encoded(varied, "gzip") };
  }
  return { lines: varied };
}

/** ngx_http_gzip_accept_encoding: the coding by its name, with a weight above 0. */
function accepts(sent: string, coding: string): boolean {
  const found = new RegExp(`(?:^|[ ,])${coding} *(?:$|,|; *(?:$|q=([01](?:\\.\\d{0,3})?) *(?:$|,)))`, "i").exec(sent);
  return found !== null && Number(found[1] ?? 1) > 0;
}

function encoded(lines: readonly string[], encoding: string): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = (lines[i] ?? "").toLowerCase();
    if (name === "content-length" || name === "accept-ranges") continue;
    const value = lines[i + 1] ?? "";
    kept.push(lines[i] ?? "", name === "etag" && !value.startsWith("W/") ? `W/${value}` : value);
  }
  return [...kept, "content-encoding", encoding];
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
