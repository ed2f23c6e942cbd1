// `loopkube trace`: the hops of real flows, as they happen with -f.
import { Command, Option } from "commander";
import type { Hop } from "../../model/ports.ts";
import { connected, diagnosticsPath, withName } from "../connect.ts";
import { print } from "../terminal.ts";

interface Options {
  readonly name?: string;
  readonly follow?: boolean;
  readonly output?: string;
  readonly probes?: boolean;
}

/** What the trace says of a probe's dial. */
const PROBE = "kubelet probe";

export function traceCommand(): Command {
  return withName(new Command("trace").description("show the hops of recent flows"))
    .option("-f, --follow", "go on as new flows come, until Ctrl-C")
    .option("--probes", "the kubelets' probes too")
    .addOption(new Option("-o, --output <format>", "one object a line").choices(["json"]))
    .action((options: Options) =>
      connected(options, async (client) => {
        const abort = new AbortController();
        const probes = new Set<number>();
        const isShown = ({ flow, hop, matched }: Hop): boolean => {
          if (options.probes) return true;
          if (hop === "dial" && matched.includes(PROBE)) probes.add(flow);
          return hop === "close" ? !probes.delete(flow) : !probes.has(flow);
        };
        process.once("SIGINT", () => abort.abort());
        try {
          for await (const line of client.lines(diagnosticsPath("trace", options.follow ? { follow: "true" } : {}), abort.signal)) {
            if (line === "") continue;
            const hop = JSON.parse(line) as Hop;
            if (isShown(hop)) print(options.output === "json" ? line : hopText(hop));
          }
        } catch (error) {
          if (!abort.signal.aborted) throw error;
        }
      }),
    );
}

function hopText(hop: Hop): string {
  const time = new Date(hop.at).toISOString().slice(11, 23);
  const rules = hop.matched.length === 0 ? "" : `  [${hop.matched.join(" > ")}]`;
  return `${time}  #${String(hop.flow).padEnd(6)} ${hop.node.padEnd(24)} ${hop.hop.padEnd(8)} ${hop.decision}${rules}`;
}
