// Turns a bad flag into the program's message and exit code, the way busybox words it.
import { FlagError } from "./flags.ts";
import { fail, type NamedTool, type Tool } from "./tool.ts";

/** A tool whose flag errors print `name: invalid option -- 'x'` and its usage line, and exit with `code`. */
export function toolWithUsage(name: string, usage: string, run: Tool, code = 1): NamedTool {
  return {
    name,
    async run(argv, io) {
      if (argv[1] === "--help" && argv.length === 2) {
        io.stdout.write(`Usage: ${name} ${usage}\n`);
        return 0;
      }
      try {
        return await run(argv, io);
      } catch (error) {
        if (!(error instanceof FlagError)) throw error;
        const long = error.flag.length > 1;
        const message =
          error.kind === "unknown"
            ? long
              ? `unrecognized option '--${error.flag}'`
              : `invalid option -- '${error.flag}'`
            : long
              ? `option '--${error.flag}' requires an argument`
              : `option requires an argument -- '${error.flag}'`;
        return fail(io, `${name}: ${message}\nUsage: ${name} ${usage}`, code);
      }
    },
  };
}
