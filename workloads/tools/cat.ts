// cat: files and standard input, -n.
import { copyOut, inputs } from "./inputs.ts";
import { parseGetopt } from "./flags.ts";
import { lines, write } from "./streams.ts";
import { toolWithUsage } from "./usage.ts";

export const cat = toolWithUsage("cat", "[-nbvteA] [FILE]...", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "nbvteAu");
  let status = 0;
  let number = 1;
  for (const input of inputs(flags.rest, io)) {
    if (input.error !== undefined) {
      io.stderr.write(
        input.error === "Is a directory" ? "cat: read error: Is a directory\n" : `cat: can't open '${input.name}': ${input.error}\n`,
      );
      status = 1;
    } else if (flags.has("n") || flags.has("b")) {
      for await (const line of lines(input.stream, io.signal))
        await write(io, flags.has("b") && line === "" ? "\n" : `${String(number++).padStart(6)}\t${line}\n`);
    } else await copyOut(input.stream, io, (chunk) => write(io, chunk));
  }
  return status;
});
