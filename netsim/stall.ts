// Stops a real socket in both directions without closing it, also when its reading was handed to the HTTP parser.
import type { Socket } from "node:net";

interface ReadableHandle {
  readStart(): void;
  readStop(): void;
}

const isReadableHandle = (handle: unknown): handle is ReadableHandle =>
  typeof handle === "object" && handle !== null && "readStart" in handle && "readStop" in handle;

/** Reading stops below the stream (an HTTP parser reads the handle itself), writing is corked. */
export function stallSocket(socket: Socket, on: boolean): void {
  if (socket.destroyed) return;
  const handle: unknown = Reflect.get(socket, "_handle");
  if (on) {
    if (socket.writableCorked === 0) socket.cork();
    if (isReadableHandle(handle)) handle.readStop();
  } else {
    while (socket.writableCorked > 0) socket.uncork();
    if (isReadableHandle(handle)) handle.readStart();
  }
}
