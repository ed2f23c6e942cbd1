// `loopkube dump rules|zone|routes`: the compiled tables as stable text.
import { Command } from "commander";
import { connected, diagnosticsPath, withName } from "../connect.ts";

interface Options {
  readonly name?: string;
  readonly node?: string;
  readonly as?: string;
}

export function dumpCommand(): Command {
  return withName(new Command("dump").description("print a compiled table: rules (proxy), zone (DNS) or routes (ingress)"))
    .argument("<table>", "rules, zone or routes")
    .option("--node <node>", "rules as this node sees them (default: the first node)")
    .option("--as <format>", "another notation that the table offers")
    .action((table: string, options: Options) =>
      connected(options, async (client) => {
        process.stdout.write(await client.text(diagnosticsPath("dump", { name: table, node: options.node, as: options.as })));
      }),
    );
}
