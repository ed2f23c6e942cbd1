// What goes to the terminal: progress with elapsed time, tables, colour only where it is wanted.
import { styleText } from "node:util";
import { realClock } from "../model/clock.ts";

type Style = Parameters<typeof styleText>[0];

/** Styles text for a stream, honouring NO_COLOR and whether it is a terminal. */
export function style(format: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(format, text, { stream });
}

/** Progress on stderr: a spinner on a terminal, plain lines otherwise, ` ✓ phase` when done. */
export interface Progress {
  phase<T>(title: string, work: () => Promise<T>): Promise<T>;
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 80;

export function createProgress(quiet: boolean, stream: NodeJS.WriteStream = process.stderr): Progress {
  return {
    async phase(title, work) {
      if (quiet) return work();
      const live = stream.isTTY && !process.env["CI"];
      const began = realClock.monotonic();
      let frame = 0;
      let running = true;
      const draw = (): void => {
        if (!running) return;
        stream.write(`\r ${FRAMES[frame++ % FRAMES.length]} ${title}`);
        realClock.after(FRAME_MS, draw, { background: true });
      };
      if (live) draw();
      const finish = (mark: string): void => {
        running = false;
        const elapsed = `(${((realClock.monotonic() - began) / 1000).toFixed(2)} s)`;
        stream.write(`${live ? "\r" : ""} ${mark} ${title} ${style("dim", elapsed, stream)}\n`);
      };
      try {
        const result = await work();
        finish(style("green", "✓", stream));
        return result;
      } catch (error) {
        finish(style("red", "✗", stream));
        throw error;
      }
    },
  };
}

/** Prints data as indented JSON. */
export function printJson(data: unknown): void {
  print(JSON.stringify(data, undefined, 2));
}

/** Columns padded to their widest cell, two spaces apart, as kubectl prints. */
export function textTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd((widths[column] ?? 0) + 3)))
        .join("")
        .trimEnd(),
    )
    .join("\n");
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
