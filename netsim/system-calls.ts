// System calls that Node does not offer, called through node:ffi: recvmmsg and sendmmsg, which move many datagrams at once, and accept4.
// Linux on 64-bit little-endian machines (x64, arm64), glibc and musl, and a Node that has the module in the form known here; everywhere
// else there are none, and datagrams and connections come one by one, as Node hands them over.
import type * as Ffi from "node:ffi";
import { endianness } from "node:os";

export interface SystemCalls {
  /** Without waiting; messages received, or -1. */
  receive(fd: number, vector: bigint, count: number): number;
  /** Without waiting; messages sent from the first on, or -1 when not even that one. */
  send(fd: number, vector: bigint, count: number): number;
  /** A connection that waits at a listener, or -1. */
  accept(fd: number): number;
  /** Where the bytes of a buffer stand, as long as it lives. */
  addressOf(buffer: Buffer): bigint;
}

const MSG_DONTWAIT = 0x40;
const SOCK_NONBLOCK_CLOEXEC = 0o2004000;
/** No timeout, no address asked for. */
const NULL = 0n;
const signatures = {
  recvmmsg: { arguments: ["i32", "pointer", "u32", "i32", "pointer"], return: "i32" },
  sendmmsg: { arguments: ["i32", "pointer", "u32", "i32"], return: "i32" },
  accept4: { arguments: ["i32", "pointer", "pointer", "i32"], return: "i32" },
} as const;

let known: { readonly calls: SystemCalls | undefined } | undefined;

/** Undefined where there are none. */
export function systemCalls(): SystemCalls | undefined {
  known ??= { calls: load() };
  return known.calls;
}

function load(): SystemCalls | undefined {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch) || endianness() !== "LE") return undefined;
  try {
    const ffi = quietly(() => process.getBuiltinModule("node:ffi"));
    if (!ffi) return undefined;
    const { recvmmsg, sendmmsg, accept4 } = ffi.dlopen(null, signatures).functions;
    const calls: SystemCalls = {
      receive: (fd, vector, count) => recvmmsg(fd, vector, count, MSG_DONTWAIT, NULL),
      send: (fd, vector, count) => sendmmsg(fd, vector, count, MSG_DONTWAIT),
      accept: (fd) => accept4(fd, NULL, NULL, SOCK_NONBLOCK_CLOEXEC),
      addressOf: (buffer) => ffi.getRawPointer(buffer),
    };
    const nothing = calls.addressOf(Buffer.allocUnsafeSlow(64));
    const failAsKnown = calls.receive(-1, nothing, 0) === -1 && calls.send(-1, nothing, 0) === -1 && calls.accept(-1) === -1;
    return failAsKnown ? calls : undefined;
  } catch {
    // The permission model, a library without the names, or a module in another form.
    return undefined;
  }
}

/** Node warns of each experimental module at its first use; nobody who runs a cluster can do anything about it. */
function quietly(read: () => typeof Ffi | undefined): typeof Ffi | undefined {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return read();
  } finally {
    process.emitWarning = emitWarning;
  }
}
