// Network failures in Node's own shape: code, errno, syscall, address and port, with Node's message.
import { constants } from "node:os";
import type { SocketAddress } from "../model/ports.ts";

export type ErrnoCode =
  | "EACCES"
  | "EADDRINUSE"
  | "EADDRNOTAVAIL"
  | "ECONNREFUSED"
  | "ECONNRESET"
  | "EHOSTUNREACH"
  | "EINVAL"
  | "EMFILE"
  | "EMSGSIZE"
  | "ENETDOWN"
  | "ENETUNREACH"
  | "EPIPE"
  | "ETIMEDOUT";

/** `connect ECONNREFUSED 127.96.0.12:80`, with the properties that Node sets. */
export function addressError(syscall: string, code: ErrnoCode, at: SocketAddress): NodeJS.ErrnoException {
  return Object.assign(new Error(`${syscall} ${code} ${hostPort(at)}`), {
    code,
    errno: -constants.errno[code],
    syscall,
    address: at.ip,
    port: at.port,
  });
}

/** `read ECONNRESET`: a failure of an established connection. */
export function streamError(syscall: "read" | "write", code: ErrnoCode): NodeJS.ErrnoException {
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno: -constants.errno[code], syscall });
}

/** The errno code of an unknown failure, if it has one. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** `ip:port`, an IPv6 address in brackets. */
export function hostPort(address: SocketAddress): string {
  return address.ip.includes(":") ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}
