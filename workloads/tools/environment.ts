// env and printenv.
import { findProgram } from "./run-tool.ts";
import { write } from "./streams.ts";
import { fail, type NamedTool } from "./tool.ts";

/** `env [-i] [-u NAME] [NAME=VALUE]… [PROGRAM ARGS]` and `printenv [NAME]…`. */
export const environment: readonly NamedTool[] = [
  {
    name: "env",
    async run(argv, io) {
      const rest = argv.slice(1);
      let env: Record<string, string> = { ...io.env };
      for (;;) {
        const word = rest[0] ?? "";
        if (word === "-i" || word === "-") env = {};
        else if (word === "-u") delete env[rest.splice(0, 1) && (rest[0] ?? "")];
        else if (/^[^=]+=/.test(word)) env[word.slice(0, word.indexOf("="))] = word.slice(word.indexOf("=") + 1);
        else break;
        rest.shift();
      }
      const [name] = rest;
      if (name === undefined) {
        await write(
          io,
          Object.entries(env)
            .map(([key, value]) => `${key}=${value}\n`)
            .join(""),
        );
        return 0;
      }
      const program = findProgram(io.programs, name);
      if (!program) return fail(io, `env: can't execute '${name}': No such file or directory`, 127);
      return program(rest, { ...io, env });
    },
  },
  {
    name: "printenv",
    async run(argv, io) {
      const names = argv.slice(1);
      if (names.length === 0)
        await write(
          io,
          Object.entries(io.env)
            .map(([key, value]) => `${key}=${value}\n`)
            .join(""),
        );
      for (const name of names) if (io.env[name] !== undefined) await write(io, `${io.env[name]}\n`);
      return Number(names.some((name) => io.env[name] === undefined));
    },
  },
];
