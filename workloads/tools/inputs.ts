// The inputs of text tools: named files, or standard input when there are none or the name is "-".
import { readFile, resolvePath } from "./file-tree.ts";
import { chunks, readAll, textStream } from "./streams.ts";
import type { ToolIo } from "./tool.ts";
import type { Readable } from "node:stream";

/** One input, open, or why it is not. */
export type Input =
  | { readonly name: string; readonly stream: Readable | undefined; readonly error?: undefined }
  | { readonly name: string; readonly error: string };

/** Opens the operands in order; none means standard input. */
export function inputs(names: readonly string[], io: ToolIo): readonly Input[] {
  return (names.length > 0 ? names : ["-"]).map((name): Input => {
    const path = resolvePath(io.cwd, name);
    if (name === "-" || path === "/dev/stdin") return { name: "-", stream: io.stdin };
    const file = readFile(io.files, path);
    return "text" in file ? { name, stream: textStream(file.text) } : { name, error: file.error };
  });
}

/** All text of the operands; what cannot be opened is told as `tool: name: reason` and makes `failed` true. */
export async function readInputs(
  tool: string,
  names: readonly string[],
  io: ToolIo,
): Promise<{ readonly text: string; readonly failed: boolean }> {
  const parts: Buffer[] = [];
  let failed = false;
  for (const input of inputs(names, io)) {
    if (input.error !== undefined) {
      failed = true;
      io.stderr.write(`${tool}: ${input.name}: ${input.error}\n`);
    } else parts.push(await readAll(input.stream, io.signal));
  }
  return { text: Buffer.concat(parts).toString(), failed };
}

/** Lines of a text; a last newline adds none. */
export function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** Copies everything from a stream to standard output. */
export async function copyOut(stream: Readable | undefined, io: ToolIo, write: (data: Buffer) => Promise<void>): Promise<void> {
  for await (const chunk of chunks(stream, io.signal)) await write(chunk);
}
