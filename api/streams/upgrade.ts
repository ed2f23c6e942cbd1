// The HTTP side of an upgrade: what a request offers, the 101 answer of SPDY, and answers that refuse.
// Upstream: apimachinery pkg/util/httpstream (Handshake, NegotiateProtocol), apimachinery pkg/util/proxy/upgradeaware.go.
import { STATUS_CODES, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { badRequest, StatusError } from "../../model/errors.ts";

export type UpgradeKind = "SPDY/3.1" | "websocket";

/** The protocol that the request asks to switch to, if it is one of ours. */
export function upgradeKind(request: IncomingMessage): UpgradeKind | undefined {
  const offered = (request.headers.upgrade ?? "").toLowerCase();
  return offered === "websocket" ? "websocket" : offered === "spdy/3.1" ? "SPDY/3.1" : undefined;
}

/** What a plain request to exec, attach or portforward is answered with: 400. */
export function upgradeRequired(): StatusError {
  return badRequest("Upgrade request required");
}

/** Values of a header that may be a list, be repeated, or both. */
export function headerValues(request: IncomingMessage, name: string): readonly string[] {
  const values = request.headersDistinct[name] ?? [];
  return values.flatMap((value) => value.split(",")).map((value) => value.trim());
}

/** The first of `supported` that the client offers. No offer at all means `fallback`. Throws 403 when they have none in common. */
export function negotiate(offered: readonly string[], supported: readonly string[], fallback: string): string {
  if (offered.length === 0) return fallback;
  const chosen = supported.find((protocol) => offered.includes(protocol));
  if (chosen !== undefined) return chosen;
  const text = `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(" ")}], server accepts [${supported.join(" ")}]`;
  throw new StatusError(403, "Forbidden", text);
}

/** Switches the connection to SPDY/3.1. */
export function acceptSpdyUpgrade(socket: Duplex, streamProtocol: string): void {
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Connection: Upgrade",
    "Upgrade: SPDY/3.1",
    `X-Stream-Protocol-Version: ${streamProtocol}`,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
}

/** Answers an upgrade request with the error's Status and ends the connection. */
export function refuseUpgrade(socket: Duplex, error: unknown): void {
  const failure = error instanceof StatusError ? error : new StatusError(500, "InternalError", `Internal error occurred: ${String(error)}`);
  answer(socket, failure.code, "application/json", `${JSON.stringify(failure.status)}\n`);
}

/** Answers an upgrade request with a line of text, as the kubelet words its refusals. */
export function refuseUpgradeWithText(socket: Duplex, code: number, text: string): void {
  answer(socket, code, "text/plain; charset=utf-8", `${text}\n`);
}

function answer(socket: Duplex, code: number, contentType: string, body: string): void {
  const head = [
    `HTTP/1.1 ${code} ${STATUS_CODES[code] ?? ""}`,
    "Connection: close",
    `Content-Type: ${contentType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.on("error", () => undefined);
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}
