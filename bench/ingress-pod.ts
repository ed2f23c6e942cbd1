// What stands behind the Ingress under measurement and behind its rivals: short answers, 10 MB answers at /10mb, and bodies taken and counted.
// Run by itself it serves on PORT.
import { createServer } from "node:http";
import type { HttpRequest, HttpResponse } from "../cluster/index.ts";
import { PAYLOAD } from "./payload.ts";

export const LARGE = 10 * 1024 * 1024;
/** Made when first asked for: it is not the memory of an idle cluster. */
let large: Buffer | undefined;

export function answerIngress(request: HttpRequest, response: HttpResponse): void {
  response.setHeader("content-type", "text/plain");
  if (request.method === "POST") {
    request.resume();
    request.once("end", () => response.end(PAYLOAD));
    return;
  }
  const body = request.url === "/10mb" ? (large ??= Buffer.alloc(LARGE, "x")) : PAYLOAD;
  response.setHeader("content-length", body.length);
  response.end(body);
}

if (import.meta.main) {
  // Longer than a run: a body under way cannot be sent again when the pod closes a kept connection at that moment.
  const server = createServer({ keepAliveTimeout: 600_000 }, answerIngress);
  server.listen(Number(process.env["PORT"]), process.env["POD_IP"] === undefined ? "127.0.0.1" : undefined);
}
