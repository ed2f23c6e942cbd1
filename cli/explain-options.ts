// What `explain dns` and `explain request` take of the options of `explain`: all but --to.
import { type Command, Help } from "commander";
import { Failure } from "./failure.ts";

/** Shows the options of `explain` that the subcommand knows in its help. */
export function withExplainOptions(command: Command): Command {
  return command.configureHelp({
    showGlobalOptions: true,
    visibleGlobalOptions(this: Help, shown) {
      const inherited = Help.prototype.visibleGlobalOptions.call(this, shown);
      return inherited.filter(({ long }) => long !== "--to" && long !== "--version");
    },
  });
}

/** The options of both commands. Throws Failure for --to. */
export function explainOptions<T extends object>(command: Command): T {
  const { to, ...options } = command.optsWithGlobals<T & { readonly to?: string }>();
  if (to === undefined) return options as T;
  throw new Failure(`--to has no effect on explain ${command.name()}`, { advice: [`loopkube explain ${command.name()} --help`] });
}
