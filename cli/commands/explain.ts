// `loopkube explain`: what would happen to a connection, step by step, without sending anything; `explain request` for an HTTP request, `explain dns` for a name.
import { Command, Option } from "commander";
import type { ExplainAnswer } from "../../model/ports.ts";
import { connected, diagnosticsPath, fromWords, nameWords, withName } from "../connect.ts";
import { printSteps } from "../explain-steps.ts";
import { Failure } from "../failure.ts";
import { print } from "../terminal.ts";
import { nearest, nearServices } from "../unknown-host.ts";
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
    .allowExcessArguments(true)
    .action((options: Options) => {
      const [word] = command.args;
      if (word === "help") return command.outputHelp();
      if (word !== undefined) throw unknownWord(word, options);
      if (options.to === undefined) return command.error("error: required option '--to <destination>' not specified");
      return connected(options, async (client) => {
        const path = diagnosticsPath("explain", { from: options.from, to: options.to });
        const { steps } = (await client.request("GET", path)) as unknown as { steps: readonly ExplainAnswer[] };
        if (options.output === "json") return print(JSON.stringify({ steps }, undefined, 2));
        printSteps(steps);
        if (steps.every(({ title, ip, socket }) => ip === undefined && socket === undefined && !title.startsWith("Ingress")))
          for (const line of await nearServices(client, hostOf(options.to ?? ""))) print(line);
      });
    });
  return command.addCommand(explainRequestCommand()).addCommand(explainDnsCommand());
}

/** `explain dsn web`, `explain http://web`. */
function unknownWord(word: string, options: Options): Failure {
  const [meant] = nearest(word, ["dns", "request"]);
  const advice =
    meant === undefined ? `loopkube explain ${nameWords(options)}${fromWords(options)}--to ${word}` : `Did you mean explain ${meant}?`;
  return new Failure(meant === undefined ? `"${word}" needs an option before it` : `unknown command "explain ${word}"`, {
    advice: [advice],
  });
}

const hostOf = (to: string): string => to.replace(/^[a-z]+:\/\//, "").split(/[/:]/)[0] ?? "";
