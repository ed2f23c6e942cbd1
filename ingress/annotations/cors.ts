// enable-cors, cors-*: headers for allowed origins, and 204 for their preflights. Before authentication and source ranges.
// Upstream: internal/ingress/annotations/cors; nginx.tmpl CORS. `*` with credentials is sent as upstream sends it.
import type { Exchange } from "../request/exchange.ts";
import { headerText } from "../request/variables.ts";
import { annotationGroup, type AnnotationReader, low, medium } from "./annotation.ts";
import { BOOL, HEADER_NAMES, INTEGER, matching } from "./validators.ts";

export interface Cors {
  readonly enabled: boolean;
  /** Undefined: every origin. */
  readonly origins: readonly RegExp[] | undefined;
  readonly methods: string;
  readonly headers: string;
  readonly credentials: boolean;
  readonly exposeHeaders: string;
  readonly maxAge: number;
}

const METHODS = "GET, PUT, POST, DELETE, PATCH, OPTIONS";
const HEADERS = "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization";

// Upstream's patterns, written so that no text makes them backtrack.
const ORIGINS = /^(?:(?:[A-Za-z0-9\-.,]|:\d|\*\.|(?<=[a-z]):\/\/)*|\*)$/;
const ORIGIN = /^([a-z]+:\/\/)(\*\.)?([A-Za-z0-9\-.]*)(:\d+)?$/;
const METHOD_NAMES = /^[A-Za-z]+(?:(?:,\s?|\s)[A-Za-z]+)*(?:,\s?|\s)?$/;
const EXPOSED_NAMES = /^[A-Za-z0-9\-_*]+(?:(?:,\s?|\s)[A-Za-z0-9\-_*]+)*(?:,\s?|\s)?$/;

export const cors = annotationGroup<Cors>({
  upstream: "CorsConfig",
  annotations: {
    "enable-cors": low(BOOL),
    "cors-allow-origin": medium(matching(ORIGINS)),
    "cors-allow-headers": medium(HEADER_NAMES),
    "cors-allow-methods": medium(matching(METHOD_NAMES)),
    "cors-allow-credentials": low(BOOL),
    "cors-expose-headers": medium(matching(EXPOSED_NAMES)),
    "cors-max-age": low(INTEGER),
  },
  parse: (read) => ({
    enabled: read.flag("enable-cors", false),
    origins: origins(read),
    // Without a blank too many between the names, which the validators leave out.
    methods: matched(read, "cors-allow-methods", METHOD_NAMES) ?? METHODS,
    headers: read.text("cors-allow-headers") ?? HEADERS,
    credentials: read.flag("cors-allow-credentials", true),
    exposeHeaders: matched(read, "cors-expose-headers", EXPOSED_NAMES) ?? "",
    maxAge: read.number("cors-max-age", 1_728_000),
  }),
  steps: (settings) =>
    settings.enabled
      ? [
          {
            phase: "rewrite",
            annotation: "enable-cors",
            run(exchange) {
              const origin = allowedOrigin(settings, exchange);
              if (origin === undefined) return undefined;
              exchange.setResponse("Access-Control-Allow-Origin", origin);
              if (settings.credentials) exchange.setResponse("Access-Control-Allow-Credentials", "true");
              exchange.setResponse("Access-Control-Allow-Methods", settings.methods);
              exchange.setResponse("Access-Control-Allow-Headers", settings.headers);
              if (settings.exposeHeaders !== "") exchange.setResponse("Access-Control-Expose-Headers", settings.exposeHeaders);
              exchange.setResponse("Access-Control-Max-Age", String(settings.maxAge));
              if (exchange.facts.method !== "OPTIONS") return undefined;
              // The template names a Content-Type, which nginx leaves out of a 204 of its own.
              return { status: 204, headers: [], body: "", reason: "enable-cors answers the preflight", returned: true };
            },
          },
        ]
      : [],
});

function matched(read: AnnotationReader, name: string, pattern: RegExp): string | undefined {
  const text = read.text(name);
  return text !== undefined && pattern.test(text) ? text : undefined;
}

/** The value to send, or undefined for an origin that is not listed. */
function allowedOrigin({ origins: listed }: Cors, exchange: Exchange): string | undefined {
  if (!listed) return "*";
  const origin = headerText(exchange, "origin");
  return origin !== "" && listed.some((pattern) => pattern.test(origin)) ? origin : undefined;
}

/** Blank entries and entries that are no origins are skipped, and none may be left; `*` anywhere means every origin. */
function origins(read: AnnotationReader): readonly RegExp[] | undefined {
  if (read.text("cors-allow-origin") === undefined) return undefined;
  const entries = read.list("cors-allow-origin");
  if (entries.includes("*")) return undefined;
  const patterns: RegExp[] = [];
  for (const entry of entries) {
    if (entry === "null") {
      patterns.push(/null$/i);
      continue;
    }
    const found = ORIGIN.exec(entry);
    if (!found) {
      read.problem("cors-allow-origin", `${entry} is not an origin`);
      continue;
    }
    const [, scheme = "", wild, host = "", port = ""] = found;
    const quote = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    // Open at its beginning, as the template writes it.
    patterns.push(new RegExp(`${quote(scheme)}${wild === undefined ? "" : "[A-Za-z0-9-]+\\."}${quote(host)}${port}$`, "i"));
  }
  return patterns;
}
