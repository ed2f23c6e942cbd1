// The loopkube command: one file per subcommand, one line each in COMMANDS.
import "./v8-flags.ts";
import { Command, CommanderError } from "commander";
import { StatusError } from "../model/errors.ts";
import { completionCommand } from "./commands/completion.ts";
import { curlCommand } from "./commands/curl.ts";
import { digCommand } from "./commands/dig.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { downCommand } from "./commands/down.ts";
import { dumpCommand } from "./commands/dump.ts";
import { explainCommand } from "./commands/explain.ts";
import { faultCommand } from "./commands/fault.ts";
import { imageCommand } from "./commands/image.ts";
import { kubeconfigCommand } from "./commands/kubeconfig.ts";
import { loadCommand } from "./commands/load.ts";
import { statusCommand } from "./commands/status.ts";
import { traceCommand } from "./commands/trace.ts";
import { upCommand } from "./commands/up.ts";
import { versionCommand } from "./commands/version.ts";
import { Failure } from "./failure.ts";
import { style } from "./terminal.ts";
import { version } from "./version.ts";

const COMMANDS = [
  upCommand,
  downCommand,
  statusCommand,
  kubeconfigCommand,
  curlCommand,
  loadCommand,
  digCommand,
  explainCommand,
  traceCommand,
  dumpCommand,
  imageCommand,
  faultCommand,
  doctorCommand,
  completionCommand,
  versionCommand,
];

/** The whole command line, without running it. */
export function createProgram(): Command {
  const program = new Command("loopkube")
    .description("Kubernetes service networking on loopback: a cluster in one process that the real kubectl talks to.")
    .version(version(), "-V, --version", "print the version")
    .helpCommand(false)
    .showHelpAfterError("(loopkube help shows every command)")
    .exitOverride();
  for (const create of COMMANDS) program.addCommand(helpful(create()));
  return program.addCommand(helpful(helpCommand(program)));
}

/** As commander's own, for subcommands of subcommands too. */
function helpCommand(program: Command): Command {
  return new Command("help")
    .argument("[command...]", "as it is typed: `explain dns`")
    .description("show help for a command")
    .action((names: readonly string[]) => {
      let shown = program;
      for (const name of names) {
        const inner = shown.commands.find((command) => command.name() === name || command.aliases().includes(name));
        if (!inner) return shown.error(`error: unknown command '${names.join(" ")}'`);
        shown = inner;
      }
      return shown.help();
    });
}

/** With a hint at the help after each error, in its subcommands too. */
function helpful(command: Command): Command {
  for (const inner of command.commands) helpful(inner);
  return command.exitOverride().showHelpAfterError("(add --help for its options)");
}

/** Runs the command line; resolves with the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  leaveWithReader(argv[0] === "up");
  try {
    await createProgram().parseAsync([...argv], { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${style("red", "error:", process.stderr)} ${message}\n`);
  if (error instanceof Failure) {
    for (const line of error.advice) process.stderr.write(`  ${line}\n`);
    return error.exitCode;
  }
  if (!(error instanceof StatusError) && process.env["LOOPKUBE_DEBUG"] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return 1;
}

/** A reader that has seen enough (`| head`) ends the command in silence; a cluster lives on without one. */
function leaveWithReader(keepRunning: boolean): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    if (!keepRunning) process.exit();
  });
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
