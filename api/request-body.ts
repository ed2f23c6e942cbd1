// Reads a request's body: at most 3 MiB, gzip undone. Upstream: apiserver pkg/endpoints/handlers/rest.go limitedReadBody.
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { badRequest, StatusError } from "../model/errors.ts";
import { unsupportedMediaType } from "./media-types.ts";

const LIMIT_BYTES = 3 * 1024 * 1024;
const gunzipAsync = promisify(gunzip);

const tooLarge = (): StatusError => new StatusError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${LIMIT_BYTES}`);

/** The whole body. Throws 413 above the limit, 400 for broken gzip, 415 for another Content-Encoding. */
export async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LIMIT_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  const encoding = incoming.headers["content-encoding"];
  if (encoding === undefined || encoding === "identity") return body;
  if (encoding !== "gzip") throw unsupportedMediaType(["gzip"]);
  try {
    return await gunzipAsync(body, { maxOutputLength: LIMIT_BYTES });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
    throw badRequest("the request body is not valid gzip");
  }
}
