// The handler that all HTTP contestants serve: a short answer, and at /bulk a stream that goes on until the client leaves.
import type { IncomingMessage, ServerResponse } from "node:http";

/** The body of every measured HTTP answer. */
export const PAYLOAD = "hello from the bench\n";

const CHUNK = Buffer.alloc(1 << 18, "x");

export function answer({ url }: IncomingMessage, response: ServerResponse): void {
  response.setHeader("content-type", "text/plain");
  if (url === "/bulk") return stream(response);
  response.setHeader("content-length", PAYLOAD.length);
  response.end(PAYLOAD);
}

/** Without chunked encoding: what is measured is the connection. */
function stream(response: ServerResponse): void {
  response.useChunkedEncodingByDefault = false;
  const fill = (): void => {
    while (!response.destroyed && response.write(CHUNK));
  };
  response.on("drain", fill);
  response.on("error", () => {});
  fill();
}
