// true, false, clear and yes: programs of one thought.
import { nextTurn } from "../../model/clock.ts";
import { write } from "./streams.ts";
import { throwIfTerminated, type NamedTool } from "./tool.ts";

export const trivial: readonly NamedTool[] = [
  { name: "true", run: async () => 0 },
  { name: "false", run: async () => 1 },
  { name: "clear", run: async (_argv, io) => (await write(io, "\u001b[H\u001b[J"), 0) },
  {
    name: "yes",
    async run(argv, io) {
      for (;;) {
        throwIfTerminated(io.signal);
        await write(io, `${argv.slice(1).join(" ") || "y"}\n`);
        await nextTurn();
      }
    },
  },
];
