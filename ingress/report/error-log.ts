// Lines of nginx's error log about one request.
// Upstream: ngx_log_error_core, ngx_http_log_error_handler. The process is the image's first worker; connections are numbered as they
// come up in the log.
import type { Exchange } from "../request/exchange.ts";

export type LineOf = (text: string) => string;

const WORKER = "35#35";
/** Connections whose numbers are remembered. */
const MOST_CONNECTIONS = 10_000;

export function noticeLine(exchange: Exchange, text: string): string {
  const { facts, server, world } = exchange;
  const numbers = world.state("error log: connections", () => ({ next: 1, known: new Map<string, number>() }));
  const peer = `${facts.peerIp}:${facts.peerPort}`;
  let number = numbers.known.get(peer);
  if (number === undefined) {
    if (numbers.known.size >= MOST_CONNECTIONS) numbers.known.clear();
    numbers.known.set(peer, (number = numbers.next++));
  }
  const at = new Date(world.clock.now()).toISOString().slice(0, 19).replaceAll("-", "/").replace("T", " ");
  const about = [
    `client: ${facts.clientIp}`,
    `server: ${server.host}`,
    `request: "${facts.method} ${facts.target} HTTP/${facts.httpVersion}"`,
    ...(facts.hostHeader === undefined ? [] : [`host: "${facts.hostHeader}"`]),
    ...(facts.headers.referer === undefined ? [] : [`referrer: "${facts.headers.referer}"`]),
  ];
  return `${at} [notice] ${WORKER}: *${number} ${text}, ${about.join(", ")}`;
}
