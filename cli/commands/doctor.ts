// `loopkube doctor`: what works on this machine for this user, and what to do about what does not.
import { Command, Option } from "commander";
import { type Check, runChecks } from "../doctor-checks.ts";
import { print, style } from "../terminal.ts";

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("check this machine: ports, addresses, tools")
    .addOption(new Option("-o, --output <format>", "print it as data").choices(["json"]))
    .action(async (options: { output?: string }) => {
      const checks = await runChecks();
      print(options.output === "json" ? JSON.stringify(checks, undefined, 2) : checks.map(checkText).join("\n"));
      if (checks.some((check) => check.result === "fail")) process.exitCode = 1;
    });
}

const MARKS = { ok: "✓", note: "•", fail: "✗" } as const;
const COLOURS = { ok: "green", note: "yellow", fail: "red" } as const;

function checkText(check: Check): string {
  const line = ` ${style(COLOURS[check.result], MARKS[check.result])} ${check.what}: ${check.found}`;
  return check.advice === undefined ? line : `${line}\n     ${check.advice}`;
}
