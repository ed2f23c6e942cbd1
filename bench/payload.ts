// The handler that all HTTP contestants serve: a short answer, and at /bulk a stream that goes on until the client leaves.
import type { HttpRequest, HttpResponse } from "../cluster/index.ts";

/** The body of every measured HTTP answer. */
export const PAYLOAD = "hello from the bench\n";

const CHUNK = Buffer.alloc(1 << 18, "x");

export function answer({ url }: HttpRequest, response: HttpResponse): void {
  response.setHeader("content-type", "text/plain");
  if (url === "/bulk") return stream(response);
  response.setHeader("content-length", PAYLOAD.length);
  response.end(PAYLOAD);
}

/** Of a length that is never reached, so without chunks: what is measured is the connection. */
function stream(response: HttpResponse): void {
  response.setHeader("content-length", Number.MAX_SAFE_INTEGER);
  const fill = (): void => {
    while (!response.destroyed && response.write(CHUNK));
  };
  response.on("drain", fill);
  fill();
}
