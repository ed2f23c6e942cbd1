// The resize channel of an interactive session: JSON objects one after another, of which only the latest matters.
// Upstream: client-go tools/remotecommand (TerminalSize).
import type { Readable } from "node:stream";

export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** A size as the client writes it; text that is none is skipped. */
const SIZE = /\{[^{}]*\}/g;
const MAX_PARTIAL_CHARS = 1024;

/** Sizes as they come from `source`, which is read at once; a slow consumer sees the latest one. Ends with the source. */
export function terminalSizes(source: Readable | undefined): AsyncIterable<TerminalSize> {
  let latest: TerminalSize | undefined;
  let ended = source === undefined;
  let partial = "";
  let wake = (): void => undefined;
  const end = (): void => {
    ended = true;
    wake();
  };
  source?.on("data", (chunk: Buffer) => {
    partial += chunk.toString("utf8");
    for (const match of partial.matchAll(SIZE)) latest = parseSize(match[0]) ?? latest;
    partial = partial.slice(partial.lastIndexOf("}") + 1).slice(-MAX_PARTIAL_CHARS);
    wake();
  });
  source?.once("end", end);
  source?.once("close", end);
  return {
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (!latest && !ended) await new Promise<void>((resolve) => (wake = resolve));
        if (!latest) return;
        const size = latest;
        latest = undefined;
        yield size;
      }
    },
  };
}

function parseSize(text: string): TerminalSize | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("Width" in value) || !("Height" in value)) return undefined;
    const [width, height] = [Number(value.Width), Number(value.Height)];
    return width > 0 && height > 0 ? { width, height } : undefined;
  } catch {
    return undefined;
  }
}
