// A gRPC call over HTTP/2 and TLS, with one empty message.
import { connect } from "node:http2";
import type { SocketAddress } from "../../model/ports.ts";
import type { Asked, Got } from "./client.ts";

export function askGrpc(at: SocketAddress, { host, path = "/", headers = {} }: Asked): Promise<Got> {
  return new Promise((resolve, reject) => {
    const session = connect(`https://${at.ip}:${at.port}`, { rejectUnauthorized: false, servername: host ?? "" });
    session.on("error", reject);
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      ":authority": host ?? "",
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const chunks: Buffer[] = [];
    const lines: string[] = [];
    let status = 0;
    const take = (from: Record<string, unknown>): void => {
      for (const [name, value] of Object.entries(from)) if (!name.startsWith(":")) lines.push(name, String(value));
    };
    stream.on("response", (head) => {
      status = Number(head[":status"]);
      take(head);
    });
    stream.on("trailers", take);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => {
      session.close();
      const named: Record<string, string> = {};
      for (let i = 0; i + 1 < lines.length; i += 2) named[lines[i] ?? ""] = lines[i + 1] ?? "";
      resolve({ status, headers: named, rawHeaders: lines, body: Buffer.concat(chunks), certificate: undefined });
    });
    stream.end(Buffer.alloc(5));
  });
}
