// `loopkube explain dns`: which plugin of cluster DNS answers a name, from which object, or why nobody does, along the client's search path.
import { Command } from "commander";
import type { ExplainAnswer } from "../../model/ports.ts";
import { connected, diagnosticsPath } from "../connect.ts";
import { explainOptions, withExplainOptions } from "../explain-options.ts";
import { printSteps } from "../explain-steps.ts";
import { print } from "../terminal.ts";
import { nearServices } from "../unknown-host.ts";

interface Options {
  readonly name?: string;
  readonly from?: string;
  readonly output?: string;
}

export function explainDnsCommand(): Command {
  const command = withExplainOptions(new Command("dns"))
    .description("explain what cluster DNS answers: each question of the search path, the plugin that answered, the object behind it")
    .argument("<name>", "a name as a program would ask it; an address with type PTR")
    .argument("[type]", "record type", "A")
    .addHelpText("after", "\nExample:\n  loopkube explain dns --from pod/client-0 _http._tcp.web SRV")
    .action((name: string, type: string) => {
      const options = explainOptions<Options>(command);
      return connected(options, async (client) => {
        const path = diagnosticsPath("explain", { from: options.from ?? "host", dnsName: name, dnsType: type });
        const { steps } = (await client.request("GET", path)) as unknown as { steps: readonly ExplainAnswer[] };
        if (options.output === "json") print(JSON.stringify({ steps }, undefined, 2));
        else {
          printSteps(steps);
          if (!steps.some(({ title }) => / (NOERROR|NODATA)/.test(title))) for (const line of await nearServices(client, name)) print(line);
        }
      });
    });
  return command;
}
