// `loopkube dump rules|zone|routes`: the compiled tables as stable text.
import { Argument, Command } from "commander";
import { connected, diagnosticsPath, nameWords, withName } from "../connect.ts";
import { Failure } from "../failure.ts";

interface Options {
  readonly name?: string;
  readonly node?: string;
  readonly as?: string;
  readonly service?: string;
}

/** The tables, and which options each knows. */
const OPTIONS_OF: ReadonlyMap<string, readonly string[]> = new Map([
  ["rules", ["node", "service", "as"]],
  ["routes", ["as"]],
  ["zone", []],
  ["policy", []],
  ["faults", []],
]);

export function dumpCommand(): Command {
  return withName(new Command("dump").description("print a compiled table: what Services, DNS, Ingress, policies and faults come to"))
    .addArgument(new Argument("<table>", "rules are kube-proxy's, zone is DNS's, routes are the Ingress's").choices([...OPTIONS_OF.keys()]))
    .option("--node <node>", "rules as this node sees them (default: the first node)")
    .option("--service <name>", "rules of this Service only: [namespace/]name")
    .option("--as <format>", "another notation: nft, iptables or ipvs for rules, nginx for routes")
    .action((table: string, options: Options) =>
      connected(options, async (client) => {
        const { node, as, service } = options;
        refuseWithoutEffect(table, options);
        const key = service === undefined || service.includes("/") ? service : `default/${service}`;
        const text = await client.text(diagnosticsPath("dump", { name: table, node, as, service: key }));
        process.stdout.write(text);
        if (text === "") process.stderr.write(`${table}: empty\n`);
      }),
    );
}

/** Throws Failure for an option that the table does not know. */
function refuseWithoutEffect(table: string, options: Options): void {
  for (const option of ["node", "service", "as"] as const) {
    if (options[option] === undefined || (OPTIONS_OF.get(table)?.includes(option) ?? false)) continue;
    throw new Failure(`--${option} has no effect on ${table}`, { advice: [`loopkube dump ${nameWords(options)}${table}`] });
  }
}
