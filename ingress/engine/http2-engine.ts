// Our engine on node:http2, for GRPC and GRPCS backends: one session per peer, opened when needed, bodies streamed both ways, trailers kept.
// Upstream: ngx_http_grpc_module.
import { type ClientHttp2Session, connect, constants } from "node:http2";
import type { Clock } from "../../model/clock.ts";
import { type DialPeer } from "./peer-agent.ts";
import {
  type Forward,
  type ForwardClient,
  type ForwardRequest,
  type ForwardResponse,
  StreamedResponse,
  upstreamError,
  UpstreamError,
} from "./forward.ts";

export interface Http2Engine extends Forward {
  close(): void;
}

/** Idle sessions are closed after this long, as other idle connections to peers are. */
const IDLE_MS = 60_000;

export function createHttp2Engine(clock: Clock, dial: DialPeer): Http2Engine {
  const sessions = new Map<string, Promise<ClientHttp2Session>>();
  const sessionOf = ({ peer, tls }: ForwardRequest): Promise<ClientHttp2Session> => {
    const key = `${tls ? "tls " : ""}${peer.id}`;
    const known = sessions.get(key);
    if (known) return known;
    const opening = open(dial, peer.host, peer.port, tls !== undefined);
    sessions.set(key, opening);
    const forget = (): void => {
      if (sessions.get(key) === opening) sessions.delete(key);
    };
    opening.then((session) => {
      session.once("close", forget);
      session.once("goaway", forget);
      session.setTimeout(IDLE_MS, () => session.close());
    }, forget);
    return opening;
  };
  return {
    name: "node:http2",
    async send(client: ForwardClient, request: ForwardRequest): Promise<ForwardResponse> {
      let session: ClientHttp2Session;
      try {
        session = await within(clock, request.connectTimeoutMs, sessionOf(request));
      } catch (error) {
        throw upstreamError(error, { requestSent: false });
      }
      if (client.signal.aborted) throw new UpstreamError("error", "the client has left", { requestSent: false });
      return exchange(clock, session, client, request);
    },
    close() {
      for (const opening of sessions.values())
        opening.then(
          (session) => session.destroy(),
          () => {},
        );
      sessions.clear();
    },
  };
}

async function open(dial: DialPeer, host: string, port: number, tls: boolean): Promise<ClientHttp2Session> {
  const socket = await dial(host, port);
  const { promise, resolve, reject } = Promise.withResolvers<ClientHttp2Session>();
  const session = connect(
    `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`,
    tls ? ({ socket, rejectUnauthorized: false, servername: "" } as object) : { createConnection: () => socket },
  );
  session.once("connect", () => resolve(session));
  session.on("error", reject);
  session.once("close", () => reject(new Error("the session closed")));
  return promise;
}

function exchange(clock: Clock, session: ClientHttp2Session, client: ForwardClient, request: ForwardRequest): Promise<ForwardResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<ForwardResponse>();
  const connectedAt = clock.monotonic();
  const headers: Record<string, string | string[]> = {
    ":method": request.method,
    ":path": request.target,
    ":scheme": request.tls ? "https" : "http",
    ...(/trailers/i.test([client.request.headers.te].flat().join()) ? { te: "trailers" } : {}),
  };
  for (const [name, value] of Object.entries(request.headers)) {
    const lower = name.toLowerCase();
    if (value === undefined || lower === "connection" || lower === "upgrade" || lower === "transfer-encoding") continue;
    // The template sets Host, and nginx then names no :authority.
    headers[lower] = Array.isArray(value) ? [...value] : String(value);
  }
  const stream = session.request(headers, { endStream: request.body.type === "none" });
  const trailers: string[] = [];
  stream.setTimeout(request.readTimeoutMs, () => {
    const failure = new UpstreamError("timeout", `timed out reading the answer of ${request.peer.id} after ${request.readTimeoutMs} ms`, {
      requestSent: true,
    });
    reject(failure);
    stream.destroy(failure);
  });
  const abort = (): void => {
    reject(new UpstreamError("error", "the client has left", { requestSent: true }));
    stream.close(constants.NGHTTP2_CANCEL);
  };
  client.signal.onAbort(abort);
  stream.once("close", () => {
    client.signal.offAbort(abort);
    reject(new UpstreamError("error", "the pod closed the stream", { requestSent: true }));
  });
  stream.on("error", (error) => reject(upstreamError(error, { requestSent: true })));
  stream.on("trailers", (lines) => {
    for (const [name, value] of Object.entries(lines))
      for (const one of Array.isArray(value) ? value : [value]) trailers.push(name, String(one));
  });
  // An answer that is complete ends the request, sent or not.
  stream.once("end", () => {
    if (!stream.writableFinished) stream.close(constants.NGHTTP2_CANCEL);
  });
  stream.once("response", (head, flags) => {
    const raw: string[] = [];
    for (const [name, value] of Object.entries(head)) {
      if (name.startsWith(":")) continue;
      for (const one of Array.isArray(value) ? value : [value]) raw.push(name, String(one));
    }
    const status = Number(head[":status"] ?? 502);
    const empty = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0 && request.method !== "HEAD" && status !== 204 && status !== 304;
    if (empty && head["content-length"] === undefined) raw.push("content-length", "0");
    resolve(new StreamedResponse({ status, statusText: "", rawHeaders: raw, stream, connectedAt, trailers: () => trailers, abort }));
  });
  if (request.body.type === "bytes") stream.end(request.body.bytes);
  else if (request.body.type === "stream") request.body.stream.pipe(stream);
  return promise;
}

/** Rejects as a timeout when `work` takes longer. */
export function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => reject(new UpstreamError("timeout", `no connection within ${ms} ms`, { requestSent: false })), {
      background: true,
    });
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}
