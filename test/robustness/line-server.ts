// What the pods of these tests serve, inline or as a process: the first byte of a connection says what it is for.
//   e echo, to the end of both halves     h read nothing, ever       n the pod's name, then FIN
//   s send without end                    f FIN at once, then count  c how many bytes came after the FINs, then FIN
//   r take everything, then answer its length and FIN
import { createServer, type Server, type Socket } from "node:net";
import { Readable } from "node:stream";

const CHUNK = Buffer.alloc(65536, 0x61);

/** The server, not listening yet; sockets are told by `server.emit("connection")` or its own listener. */
export function createLineServer(name: string): Server {
  const counts = { afterFin: 0 };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on("error", () => {});
    socket.once("readable", () => {
      const purpose: Buffer | null = socket.read(1);
      if (purpose === null) return void socket.end();
      serve(purpose.toString(), socket, name, counts);
    });
  });
  return server;
}

function serve(purpose: string, socket: Socket, name: string, counts: { afterFin: number }): void {
  switch (purpose) {
    case "e":
      return void socket.pipe(socket);
    case "s":
      return void Readable.from(endless())
        .on("error", () => {})
        .pipe(socket)
        .on("close", () => socket.destroy());
    case "h":
      return void socket.pause();
    case "f":
      socket.end("bye");
      return void socket.on("data", (chunk: Buffer) => (counts.afterFin += chunk.length));
    case "r": {
      let bytes = 0;
      socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
      return void socket.on("end", () => socket.end(String(bytes)));
    }
    case "c":
      return void socket.end(String(counts.afterFin));
    default:
      return void socket.end(name);
  }
}

function* endless(): Iterable<Buffer> {
  for (;;) yield CHUNK;
}
