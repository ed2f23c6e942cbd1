// A write to a streamed answer that waits while the client does not read. ServerResponse can say "full" without a later "drain"
// (what it held went out with the end of the turn), so the write's own callback is waited for too.
import type { ServerResponse } from "node:http";

/** Resolves at once when there is room, else when the text has left this process or the signal aborts; never rejects. */
export async function written(response: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => resolve();
  if (response.write(text, done) || signal.aborted) return;
  response.once("drain", done);
  signal.addEventListener("abort", done, { once: true });
  await promise;
  response.off("drain", done);
  signal.removeEventListener("abort", done);
}
