// The inline runtime: a container is an async function in this process.
import type { InlineImage } from "../../model/ports.ts";
import { KILLED, type ContainerExit, type Runtime } from "./runtime.ts";

/** Runs programs of this process. A program that ignores its signal is abandoned when killed; its sockets are gone by then. */
export const inlineRuntime: Runtime<InlineImage> = {
  async start(image, sandbox) {
    const { promise: killed, resolve: kill } = Promise.withResolvers<ContainerExit>();
    const run = async (): Promise<ContainerExit> => {
      try {
        const exitCode = await image.program(sandbox);
        return { exitCode: Number.isInteger(exitCode) ? exitCode & 255 : 0 };
      } catch (error) {
        // A stand-in that finds no program for its argv says so in this way.
        if (error instanceof Error && error.name === "ExecutableNotFound") return { exitCode: 128, startError: error.message };
        sandbox.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
        return { exitCode: sandbox.signal.aborted ? 143 : 1 };
      }
    };
    return { exited: Promise.race([run(), killed]), kill: () => kill(KILLED) };
  },
};
