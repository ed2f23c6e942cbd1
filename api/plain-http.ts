// Tells a client that speaks plain HTTP to the TLS port so, in upstream's words, instead of hanging up on it.
// Upstream: Go net/http server.go (tlsRecordHeaderLooksLikeHTTP).
import type { Server } from "node:https";
import type { Duplex } from "node:stream";
import type { Clock } from "../model/clock.ts";

const ANSWER = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
const REQUEST_STARTS: ReadonlySet<string> = new Set(["GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "PATCH", "DELET"]);
const RECORD_HEADER_BYTES = 5;
/** The first byte of a TLS handshake record. */
const HANDSHAKE = 0x16;

/** Puts itself before the server's TLS: connections reach it once their first bytes are seen. A silent one is closed after `patienceMs`. */
export function refusePlainHttp(server: Server, clock: Clock, patienceMs: number): void {
  const secure = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket: Duplex) => {
    let head = Buffer.alloc(0);
    const timer = clock.after(patienceMs, () => socket.destroy(), { background: true });
    const decided = (): void => {
      timer.cancel();
      socket.off("readable", look);
      socket.off("close", decided);
    };
    const look = (): void => {
      const chunk: unknown = socket.read();
      if (!Buffer.isBuffer(chunk)) return void (socket.readableEnded && socket.destroy());
      head = Buffer.concat([head, chunk]);
      if (head[0] !== HANDSHAKE && head.length < RECORD_HEADER_BYTES) return;
      decided();
      if (REQUEST_STARTS.has(head.toString("latin1", 0, RECORD_HEADER_BYTES))) return void socket.end(ANSWER, () => socket.destroy());
      socket.unshift(head);
      for (const listener of secure) Reflect.apply(listener, server, [socket]);
    };
    socket.on("readable", look);
    socket.once("end", () => socket.writableEnded || socket.end());
    socket.once("close", decided);
  });
}
