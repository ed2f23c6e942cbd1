// One request on its way through the phases: what is known of it, what the steps have decided, and the reasons when someone asks.
// It holds no socket: serving and explaining run the same steps over it.
import type { IncomingHttpHeaders } from "node:http";
import type { Clock } from "../../model/clock.ts";
import type { Random } from "../../model/random.ts";
import type { HeaderLine } from "./answer.ts";
import { type Captures, capturesOf } from "../routes/captures.ts";
import type { Notes } from "../explain/notes.ts";
import type { ProxiedConnection } from "../proxy-protocol.ts";
import type { RequestTarget } from "./request-path.ts";
import type { RequestRecord } from "./request-record.ts";
import type { Location, RouteTable, Server } from "../routes/route-table.ts";

/** A client's certificate, as far as steps look at it. */
export interface ClientCertificate {
  readonly subject: string;
  readonly issuer: string;
  readonly pem: string;
  readonly fingerprint: string;
  readonly serial: string;
  /** Certificates between it and its authority. */
  readonly intermediates: number;
  /** SUCCESS, or FAILED:reason. */
  readonly verify: string;
  /** Nothing is wrong with it but that nobody knows its authority. */
  readonly unknownAuthority: boolean;
}

export interface RequestFacts {
  readonly method: string;
  /** Scheme of the listener that took it. */
  readonly scheme: "http" | "https";
  /** As sent, `/a?b`. */
  readonly target: string;
  readonly parsed: RequestTarget;
  readonly httpVersion: string;
  /** Host header as sent; undefined without one. */
  readonly hostHeader: string | undefined;
  /** Host without port and trailing dot, lower case. */
  readonly host: string;
  readonly headers: IncomingHttpHeaders;
  /** $realip_remote_addr: the peer as nginx sees it. */
  readonly peerIp: string;
  readonly peerPort: number;
  /** The client's address after real-ip processing. */
  readonly clientIp: string;
  /** The listener's port: 80 or 443, or as the flags say; behind ssl-passthrough upstream's is 442. */
  readonly serverPort: number;
  /** What a PROXY header told of the connection; null: it named none. */
  readonly proxied?: ProxiedConnection | null;
  readonly sni?: string;
  readonly certificate?: ClientCertificate;
  /** $ssl_protocol and $ssl_cipher */
  readonly tls?: { readonly protocol: string; readonly cipher: string };
  /** Size of body when it is known beforehand. */
  readonly contentLength: number | undefined;
}

/** A subrequest's answer, without its body. */
export interface SubrequestAnswer {
  readonly status: number;
  readonly headers: readonly HeaderLine[];
  readonly body: string;
}

export interface Subrequest {
  readonly method: string;
  readonly headers: readonly HeaderLine[];
  readonly body?: Buffer;
  readonly httpVersion: "1.0" | "1.1";
  /** Undefined: on a connection of its own. */
  readonly keepAlive?: KeepAlive | undefined;
}

/** How many idle connections are kept, for how many requests and how long. */
export interface KeepAlive {
  readonly connections: number;
  readonly requests: number;
  readonly timeoutMs: number;
}

/** What steps may ask of the world; inert when a request is only explained. */
export interface World {
  /** The controller's pod: $hostname and $server_addr. */
  readonly pod: { readonly name: string; readonly ip: string };
  readonly clock: Clock;
  readonly random: Random;
  /** Data of a Secret, decoded; undefined when it does not exist. */
  secret(key: string): Readonly<Record<string, Buffer>> | undefined;
  configMap(key: string): Readonly<Record<string, string>> | undefined;
  /** State kept between requests of this controller pod, made at first use. */
  state<T>(key: string, create: () => T): T;
  /** An HTTP request of the controller's own, by URL. Rejects when it cannot be made. */
  request(url: string, init: Subrequest): Promise<SubrequestAnswer>;
  /** A line for the controller's error log; absent where a request is only explained. */
  readonly errorLog?: ((line: string) => void) | undefined;
  /** Runs after the exchange has ended. */
  onEnd(callback: () => void): void;
}

export class Exchange {
  readonly facts: RequestFacts;
  readonly table: RouteTable;
  readonly server: Server;
  readonly location: Location;
  readonly world: World;
  /** Filled while explaining. */
  readonly notes: Notes | undefined;
  /** Headers for the pod that steps set (value) or remove (undefined), by lower-case name. */
  readonly upstreamHeaders = new Map<string, HeaderLine | undefined>();
  /** Lines for the pod beside those that it is sent anyway, also of the same name; an empty one only takes the client's away. */
  readonly upstreamAdded: HeaderLine[] = [];
  /** Headers that steps set on whatever answer is given, by lower-case name. */
  readonly responseHeaders = new Map<string, HeaderLine>();
  /** Lines added to the answer: Set-Cookie. */
  readonly addedHeaders: HeaderLine[] = [];
  /** $auth_cookie: on answers of 200, 201, 204, 206 and redirects, or on all. */
  authCookie: { readonly value: string; readonly always: boolean } | undefined;
  /** Another location answers, an error's, or the server: what this one puts on answers is not for it. */
  elsewhere = false;
  /** The location answers 503 and nothing else: it has no settings of its own. */
  denied = false;
  /** Path and query for the pod. */
  upstreamTarget: string;
  /** $uri and $args: as rewrite-target has left them. */
  uri: { readonly path: string; readonly args: string };
  /** $req_id; "" when the client sent none and generate-request-id is false. */
  readonly requestId: string;
  remoteUser = "";
  #captures: Captures | undefined;
  /** Filled while serving. */
  record: RequestRecord | undefined;

  constructor(facts: RequestFacts, table: RouteTable, server: Server, location: Location, world: World, notes?: Notes) {
    this.facts = facts;
    this.table = table;
    this.server = server;
    this.location = location;
    this.world = world;
    this.notes = notes;
    this.upstreamTarget = facts.parsed.raw;
    this.uri = { path: facts.parsed.path, args: facts.parsed.query ?? "" };
    const sent = facts.headers["x-request-id"];
    if (typeof sent === "string" && sent !== "") this.requestId = sent;
    else this.requestId = table.config.flag("generate-request-id", true) ? randomHex(world.random) : "";
  }
  get captures(): Captures {
    return (this.#captures ??= capturesOf(this));
  }
  /** Lines to add to an answer of this status. */
  added(status: number): readonly HeaderLine[] {
    const { authCookie } = this;
    const sent = authCookie && (authCookie.always || SUCCESS.has(status));
    return sent ? [...this.addedHeaders, ["Set-Cookie", authCookie.value]] : this.addedHeaders;
  }
  note(text: string): void {
    this.notes?.push(text);
  }
  setUpstream(name: string, value: string): void {
    this.upstreamHeaders.set(name.toLowerCase(), [name, value]);
  }
  removeUpstream(name: string): void {
    this.upstreamHeaders.set(name.toLowerCase(), undefined);
  }
  setResponse(name: string, value: string): void {
    this.responseHeaders.set(name.toLowerCase(), [name, value]);
  }
  /** The same with variables, which mean what they do when the line is written. */
  setResponseText(name: string, text: () => string): void {
    const line: [string, string] = [name, ""];
    Object.defineProperty(line, 1, { get: text });
    this.responseHeaders.set(name.toLowerCase(), line);
  }
  /** Set by what the client sent through a trusted proxy, when the ConfigMap says so. */
  get forwarded(): boolean {
    return this.table.config.flag("use-forwarded-headers", false);
  }
  /** What PROXY protocol tells, where the ConfigMap asks for it; undefined: it is off. */
  get proxied(): ProxiedConnection | null | undefined {
    const { proxied } = this.facts;
    return proxied !== undefined && this.table.config.flag("use-proxy-protocol", false) ? proxied : undefined;
  }
  /** $pass_access_scheme: a balancer's port 443 means https, whatever it sends on. */
  get scheme(): string {
    if (this.proxied?.destinationPort === 443) return "https";
    const sent = this.facts.headers["x-forwarded-proto"];
    return this.forwarded && typeof sent === "string" && sent !== "" ? sent : this.facts.scheme;
  }
  /** $pass_port; "" when PROXY protocol names none. */
  get port(): string {
    const { enableSslPassthrough, sslPassthroughProxyPort, httpsPort } = this.table.flags;
    const port = this.#serverPort;
    // The HTTPS listener's own port is nobody's business.
    return port === String(enableSslPassthrough ? sslPassthroughProxyPort : httpsPort) ? "443" : port;
  }
  /** $pass_server_port */
  get #serverPort(): string {
    const sent = this.facts.headers["x-forwarded-port"];
    if (this.forwarded && typeof sent === "string" && sent !== "") return sent;
    const { proxied } = this;
    return String(proxied === undefined ? this.facts.serverPort : (proxied?.destinationPort ?? ""));
  }
  /** $best_http_host */
  get bestHost(): string {
    const sent = this.facts.headers["x-forwarded-host"];
    if (this.forwarded && typeof sent === "string" && sent !== "") return sent.split(",")[0]?.trim() ?? sent;
    return this.facts.hostHeader ?? this.facts.host;
  }
}

/** A path as the Location of nginx's own redirects: with scheme and host, unless relative-redirects; with a port of its own as asked. */
export function absoluteRedirect({ facts, location, table }: Exchange, url: string): string {
  const { redirect, usePortInRedirects } = location.settings;
  if (!url.startsWith("/") || redirect.relative) return url;
  const { httpPort, httpsPort } = table.flags;
  const [port, usual] = facts.scheme === "https" ? [httpsPort, 443] : [httpPort, 80];
  return `${facts.scheme}://${facts.host}${usePortInRedirects && port !== usual ? `:${port}` : ""}${url}`;
}

/** What add_header without `always` acts on. */
const SUCCESS: ReadonlySet<number> = new Set([200, 201, 204, 206, 301, 302, 303, 304, 307, 308]);

/** Every byte in hexadecimal. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** 128 random bits in hexadecimal, as $req_id. */
export function randomHex(random: Random): string {
  let text = "";
  for (let i = 0; i < 4; i++) {
    const bits = random.int(4294967296);
    for (let shift = 24; shift >= 0; shift -= 8) text += HEX[(bits >>> shift) & 255] ?? "";
  }
  return text;
}
