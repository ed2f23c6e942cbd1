// Writes answers: JSON or YAML, gzip when it pays, warnings, and Status for what failed. Upstream: apiserver handlers/responsewriters.
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { stringify as toYaml } from "yaml";
import { nextTurn } from "../model/clock.ts";
import { type Status, StatusError } from "../model/errors.ts";
import type { Answer, ApiRequest } from "./context.ts";
import { negotiate } from "./media-types.ts";

const GZIP_FROM_BYTES = 128 * 1024;
const ITEMS_PER_TURN = 250;
const gzipAsync = promisify(gzip);

/** Writes an answer and ends the response. */
export async function send(request: ApiRequest, answer: Answer): Promise<void> {
  switch (answer.type) {
    case "sent":
      return;
    case "text":
      return write(request, answer.code, answer.contentType, answer.body, answer.headers);
    case "object":
      return sendObject(request, answer.code, answer.body, answer.contentType);
    case "list":
      return sendList(request, answer.head, answer.items);
  }
}

/** The Status of anything thrown: an unknown error is a 500 that carries its message. */
export function statusOf(error: unknown): Status {
  if (error instanceof StatusError) return error.status;
  const message = error instanceof Error ? error.message : String(error);
  return new StatusError(500, "InternalError", `Internal error occurred: ${message}`).status;
}

async function sendObject(request: ApiRequest, code: number, body: object, contentType?: string): Promise<void> {
  if (contentType !== undefined) return write(request, code, contentType, JSON.stringify(body));
  const yaml = wantsYaml(request);
  await write(request, code, yaml ? "application/yaml" : "application/json", yaml ? toYaml(body) : JSON.stringify(body));
}

async function sendList(request: ApiRequest, head: Readonly<Record<string, unknown>>, items: readonly object[]): Promise<void> {
  if (wantsYaml(request)) return sendObject(request, 200, { ...head, items });
  const texts: string[] = [];
  for (let at = 0; at < items.length; at += ITEMS_PER_TURN) {
    if (at > 0) await nextTurn();
    const part = JSON.stringify(items.slice(at, at + ITEMS_PER_TURN));
    texts.push(part.slice(1, -1));
  }
  await write(request, 200, "application/json", `${JSON.stringify(head).slice(0, -1)},"items":[${texts.join(",")}]}`);
}

function wantsYaml(request: ApiRequest): boolean {
  try {
    return negotiate(request.incoming.headers.accept).encoding === "yaml";
  } catch {
    return false;
  }
}

async function write(
  { incoming, response, method, warnings, signal }: ApiRequest,
  code: number,
  contentType: string,
  text: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  let body: Buffer = typeof text === "string" ? Buffer.from(text) : text;
  const compressed = body.length >= GZIP_FROM_BYTES && /\bgzip\b/.test(String(incoming.headers["accept-encoding"] ?? ""));
  if (compressed) body = await gzipAsync(body);
  if (signal.aborted || response.headersSent) return;
  response.writeHead(code, {
    "Content-Type": contentType,
    "Content-Length": body.length,
    "Cache-Control": "no-cache, private",
    ...(compressed ? { "Content-Encoding": "gzip" } : {}),
    ...(warnings.length === 0 ? {} : { Warning: warnings.map((warning) => `299 - ${quoted(warning)}`) }),
    ...headers,
  });
  response.end(method === "HEAD" ? undefined : body);
}

/** A quoted-string of RFC 9110; characters that no header may carry become spaces. */
function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, " ").replace(/[\\"]/g, "\\$&")}"`;
}
