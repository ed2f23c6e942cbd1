// Runs a command with its output collected: exec probes and lifecycle hooks.
import { Writable } from "node:stream";
import type { ExecStreams } from "../../model/ports.ts";

const MAX_OUTPUT = 10 * 1024;

/** Resolves with the exit code and stdout and stderr together, at most 10 KiB. A command that is not there counts as failed. */
export async function captureExec(
  run: (streams: ExecStreams) => Promise<number>,
  signal: AbortSignal,
): Promise<{ readonly exitCode: number; readonly output: string }> {
  let output = "";
  const collect = (): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        if (output.length < MAX_OUTPUT) output += chunk.toString("utf8");
        done();
      },
    });
  const streams: ExecStreams = { stdout: collect(), stderr: collect(), tty: false, resize: never(), signal };
  const exitCode = await run(streams);
  return { exitCode, output: output.slice(0, MAX_OUTPUT) };
}

async function* never(): AsyncGenerator<{ readonly width: number; readonly height: number }> {}
