// `loopkube explain`: what would happen to a connection, step by step, without sending anything; `explain request` for an HTTP request, `explain dns` for a name.
import { Command, Option } from "commander";
import type { ExplainAnswer } from "../../model/ports.ts";
import { connected, diagnosticsPath, withName } from "../connect.ts";
import { printSteps } from "../explain-steps.ts";
import { print } from "../terminal.ts";
import { explainDnsCommand } from "./explain-dns.ts";
import { explainRequestCommand } from "./explain-request.ts";

interface Options {
  readonly name?: string;
  readonly from?: string;
  readonly to?: string;
  readonly output?: string;
}

export function explainCommand(): Command {
  const command = withName(new Command("explain").description("explain which pod a connection would reach, and why"))
    .option("--to <destination>", "a URL, host:port, pod/name:port or address")
    .option("--from <source>", "pod/[namespace/]name, node/name, or host", "host")
    .addOption(new Option("-o, --output <format>", "print it as data").choices(["json"]))
    .addHelpText("after", "\nExample:\n  loopkube explain --from pod/client-0 --to http://web/")
    .action((options: Options) => {
      if (options.to === undefined) return command.error("error: required option '--to <destination>' not specified");
      return connected(options, async (client) => {
        const path = diagnosticsPath("explain", { from: options.from, to: options.to });
        const { steps } = (await client.request("GET", path)) as unknown as { steps: readonly ExplainAnswer[] };
        if (options.output === "json") return print(JSON.stringify({ steps }, undefined, 2));
        printSteps(steps);
      });
    });
  return command.addCommand(explainRequestCommand()).addCommand(explainDnsCommand());
}
