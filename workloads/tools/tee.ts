// tee: standard input to standard output and files, -a.
import { resolvePath, writeFile } from "./file-tree.ts";
import { parseGetopt } from "./flags.ts";
import { chunks, write } from "./streams.ts";
import { toolWithUsage } from "./usage.ts";

export const tee = toolWithUsage("tee", "[-a] [FILE]...", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "ai");
  let status = 0;
  const paths: string[] = [];
  for (const name of flags.rest) {
    const path = resolvePath(io.cwd, name);
    const error = writeFile(io.files, path, flags.has("a") ? (io.files.read(path) ?? "") : "");
    if (error === undefined) paths.push(path);
    else {
      io.stderr.write(`tee: ${name}: ${error}\n`);
      status = 1;
    }
  }
  for await (const chunk of chunks(io.stdin, io.signal)) {
    for (const path of paths) writeFile(io.files, path, (io.files.read(path) ?? "") + chunk.toString());
    await write(io, chunk);
  }
  return status;
});
