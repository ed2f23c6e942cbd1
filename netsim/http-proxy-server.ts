// HTTP for the gateway: CONNECT, absolute-form requests (RFC 9112 §3.2.2) and plain requests to `web.default.svc.localhost`.
// Each request is a connection of its own through the fabric, so that the Service balances it; nothing is cached or rewritten. The answer
// says in X-Loopkube-Endpoint which endpoint gave it, a failure in X-Loopkube-Error which errno it was.
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Peer, SocketAddress } from "../model/ports.ts";
import { errnoOf, hostPort } from "./errno.ts";
import { explainFailure, splitHostPort, type GatewayRoute } from "./gateway-route.ts";
import { pipeBoth } from "./pipe.ts";

export interface HttpProxyOptions {
  readonly route: GatewayRoute;
  readonly identity: (user: string) => Peer | undefined;
  readonly identify: (ip: string) => Peer;
  /** The gateway's own port, which `Host` carries without meaning the Service's. */
  readonly ownPort: () => number;
}

/** A request that is understood, and where it goes. */
interface Forward {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** `Host` that the target sees. */
  readonly authority: string;
  readonly from: Peer;
}

/** A refusal: HTTP status and one line of explanation. */
interface Refusal {
  readonly status: number;
  readonly reason: string;
  /** Errno of a connection that failed. */
  readonly errno?: string | undefined;
}

/** RFC 9110 §7.6.1, and what proxies add in practice. */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
]);

/** An HTTP server that binds nothing: the gateway gives it its sockets. */
export function createHttpProxyServer(options: HttpProxyOptions): Server {
  const server = createServer({
    maxHeaderSize: 16384,
    headersTimeout: 15_000,
    requestTimeout: 0,
    connectionsCheckingInterval: 5000,
    noDelay: true,
  });
  server.on("request", (req, res) => {
    const forward = forwardOf(req, options);
    if ("status" in forward) return refuse(res, forward);
    forwardRequest(req, res, forward, options.route);
  });
  server.on("connect", (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    const target = splitHostPort(req.url ?? "", 0);
    const from = clientOf(req, options);
    if (!target || target.port === 0)
      return endRaw(socket, { status: 400, reason: `CONNECT needs host:port, not ${JSON.stringify(req.url)}` });
    if ("status" in from) return endRaw(socket, from);
    void tunnel(socket, head, from, target.host, target.port, options.route, true, "");
  });
  server.on("upgrade", (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    const forward = forwardOf(req, options);
    if ("status" in forward) return endRaw(socket, forward);
    const upgrade = ["Connection", "Upgrade", "Upgrade", req.headers.upgrade ?? ""];
    const headers = ["Host", forward.authority, ...endToEndHeaders(req.rawHeaders, "host"), ...upgrade];
    const lines = headers.map((text, i) => (i % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join("");
    void tunnel(
      socket,
      head,
      forward.from,
      forward.host,
      forward.port,
      options.route,
      false,
      `${req.method} ${forward.path} HTTP/1.1\r\n${lines}\r\n`,
    );
  });
  return server;
}

function forwardOf(req: IncomingMessage, options: HttpProxyOptions): Forward | Refusal {
  const from = clientOf(req, options);
  if ("status" in from) return from;
  const url = req.url ?? "/";
  if (!url.startsWith("/")) {
    const parsed = URL.parse(url);
    if (parsed?.protocol !== "http:")
      return { status: 400, reason: `cannot forward ${JSON.stringify(url)}: only http:// URLs and CONNECT` };
    const service = parsed.hostname.endsWith(".svc.localhost") ? options.route.service(parsed.host, options.ownPort()) : undefined;
    const host = parsed.hostname.replace(/^\[|\]$/g, "");
    return {
      host: service?.host ?? host,
      port: service?.port ?? Number(parsed.port || 80),
      path: `${parsed.pathname}${parsed.search}`,
      authority: parsed.host,
      from,
    };
  }
  const service = options.route.service(req.headers.host ?? "", options.ownPort());
  if (service) return { ...service, path: url, authority: req.headers.host ?? "", from };
  const reason = `this is the cluster's gateway, and ${JSON.stringify(req.headers.host ?? "")} names no Service: use http://NAME.NAMESPACE.svc.localhost:${options.ownPort()}/, or this port as an HTTP or SOCKS5 proxy`;
  return { status: 404, reason };
}

/** The pod that the proxy user names, else whoever holds the client's address. */
function clientOf(req: IncomingMessage, options: HttpProxyOptions): Peer | Refusal {
  const [scheme = "", token = ""] = (req.headers["proxy-authorization"] ?? "").split(" ");
  if (scheme.toLowerCase() === "basic") {
    const user = Buffer.from(token, "base64").toString("utf8").split(":")[0] ?? "";
    if (user.includes("/")) return options.identity(user) ?? { status: 407, reason: `no pod ${JSON.stringify(user)}` };
  }
  return options.identify(req.socket.remoteAddress ?? "127.0.0.1");
}

function forwardRequest(req: IncomingMessage, res: ServerResponse, to: Forward, route: GatewayRoute): void {
  const aborter = new AbortController();
  const headers = ["Host", to.authority, ...endToEndHeaders(req.rawHeaders, "host")];
  if (req.headers["transfer-encoding"] !== undefined) headers.push("Transfer-Encoding", "chunked");
  else if (req.headers["content-length"] === undefined && !bodiless.has(req.method ?? "")) headers.push("Content-Length", "0");
  const onFailure = (error: unknown): void => {
    if (res.headersSent) res.destroy();
    else refuse(res, failed(error, to.host, to.port));
  };
  res.on("close", () => {
    if (!res.writableFinished) aborter.abort();
  });
  let endpoint = "";
  const onEndpoint = (address: SocketAddress): void => void (endpoint = hostPort(address));
  route.connect(to.from, to.host, to.port, aborter.signal, onEndpoint).then((connection) => {
    if (res.destroyed) return void connection.destroy();
    const upstream = request({
      method: req.method ?? "GET",
      path: to.path,
      headers,
      createConnection: () => connection,
      signal: aborter.signal,
    });
    upstream.on("error", onFailure);
    upstream.on("response", (answer) => {
      res.sendDate = false;
      const headersBack = [...endToEndHeaders(answer.rawHeaders), ...(endpoint === "" ? [] : ["X-Loopkube-Endpoint", endpoint])];
      res.writeHead(answer.statusCode ?? 502, answer.statusMessage, headersBack);
      answer.on("error", () => res.destroy());
      answer.pipe(res);
    });
    req.pipe(upstream);
  }, onFailure);
}

const bodiless = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "DELETE"]);

/** Raw headers without those of this hop, those that `Connection` names, and `also`. */
function endToEndHeaders(raw: readonly string[], also = ""): string[] {
  const named = new Set(hopByHop).add(also);
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() === "connection") for (const token of (raw[i + 1] ?? "").split(",")) named.add(token.trim().toLowerCase());
  }
  const kept: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? "";
    if (!named.has(name.toLowerCase())) kept.push(name, raw[i + 1] ?? "");
  }
  return kept;
}

/** Joins a client to its target: a 200 goes to the client of a CONNECT, `preamble` to the target, then bytes both ways. */
async function tunnel(
  socket: Duplex,
  head: Buffer,
  from: Peer,
  host: string,
  port: number,
  route: GatewayRoute,
  isConnect: boolean,
  preamble: string,
): Promise<void> {
  const aborter = new AbortController();
  const onClose = (): void => aborter.abort();
  socket.once("close", onClose);
  socket.on("error", () => {});
  try {
    let told = "";
    const onEndpoint = (address: SocketAddress): void => void (told = `X-Loopkube-Endpoint: ${hostPort(address)}\r\n`);
    const upstream = await route.connect(from, host, port, aborter.signal, onEndpoint);
    socket.off("close", onClose);
    if (isConnect) socket.write(`HTTP/1.1 200 Connection established\r\n${told}\r\n`);
    if (preamble !== "") upstream.write(preamble);
    if (head.length > 0) upstream.write(head);
    pipeBoth(socket, upstream);
  } catch (error) {
    endRaw(socket, failed(error, host, port));
  }
}

/** Why nothing could be reached, for a person and (X-Loopkube-Error) for a program. */
function failed(error: unknown, host: string, port: number): Refusal {
  const errno = errnoOf(error);
  return { status: errno === "ETIMEDOUT" ? 504 : 502, reason: explainFailure(error, host, port), errno };
}

const reasonPhrases: Readonly<Record<number, string>> = {
  400: "Bad Request",
  404: "Not Found",
  407: "Proxy Authentication Required",
  502: "Bad Gateway",
  504: "Gateway Timeout",
};

function refuse(res: ServerResponse, { status, reason, errno }: Refusal): void {
  res.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...challenge(status), ...errorHeader(errno) });
  res.end(`${reason}\n`);
}

function endRaw(socket: Duplex, { status, reason, errno }: Refusal): void {
  const body = `${reason}\n`;
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
    ...challenge(status),
    ...errorHeader(errno),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${reasonPhrases[status] ?? ""}\r\n${lines.join("")}\r\n${body}`);
}

const challenge = (status: number): Record<string, string> =>
  status === 407 ? { "proxy-authenticate": 'Basic realm="namespace/pod"' } : {};

const errorHeader = (errno: string | undefined): Record<string, string> => (errno === undefined ? {} : { "x-loopkube-error": errno });
