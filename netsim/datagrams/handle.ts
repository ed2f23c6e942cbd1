// The libuv handle of a dgram socket, which Node keeps to itself: undefined where it does not look as known (24 to 26).
// Upstream: node lib/internal/dgram.js kStateSymbol, src/udp_wrap.cc.
import type { Socket as UdpSocket } from "node:dgram";

/** What dgram keeps of a send under way. */
export interface SendRequest {
  list: readonly Uint8Array[];
}

export interface UdpHandle {
  /** Negative once closed. */
  readonly fd: number;
  /** Bytes sent and one more; 0: kept until there is room; below: errno. */
  send(request: SendRequest, list: readonly Uint8Array[], count: number, port: number, ip: string, hasCallback: boolean): number;
}

export function handleOf(socket: UdpSocket): UdpHandle | undefined {
  const key = Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === "state symbol");
  const state: unknown = key && Reflect.get(socket, key);
  const handle: unknown = isObject(state) ? Reflect.get(state, "handle") : undefined;
  return isHandle(handle) ? handle : undefined;
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
const isHandle = (value: unknown): value is UdpHandle => isObject(value) && typeof Reflect.get(value, "send") === "function";
