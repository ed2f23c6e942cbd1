// `loopkube dump rules|zone|routes`: the compiled tables as stable text.
import { Command } from "commander";
import { connected, diagnosticsPath, withName } from "../connect.ts";

interface Options {
  readonly name?: string;
  readonly node?: string;
  readonly as?: string;
  readonly service?: string;
}

export function dumpCommand(): Command {
  return withName(new Command("dump").description("print a compiled table: what Services, DNS, Ingress, policies and faults come to"))
    .argument("<table>", "rules (kube-proxy), zone (DNS), routes (Ingress), policy or faults")
    .option("--node <node>", "rules as this node sees them (default: the first node)")
    .option("--service <name>", "rules of this Service only: [namespace/]name")
    .option("--as <format>", "another notation: nft, iptables or ipvs for rules, nginx for routes")
    .action((table: string, options: Options) =>
      connected(options, async (client) => {
        const { node, as, service } = options;
        const key = service === undefined || service.includes("/") ? service : `default/${service}`;
        process.stdout.write(await client.text(diagnosticsPath("dump", { name: table, node, as, service: key })));
      }),
    );
}
