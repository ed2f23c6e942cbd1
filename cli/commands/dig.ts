// `loopkube dig NAME [TYPE]`: asks cluster DNS as a pod (or the host) would, and shows every step of the search ladder.
import { Command, Option } from "commander";
import type { DnsStep } from "../../model/ports.ts";
import { connected, diagnosticsPath, withName } from "../connect.ts";
import { print, style, textTable } from "../terminal.ts";

interface Options {
  readonly name?: string;
  readonly from: string;
  readonly search: boolean;
  readonly output?: string;
}

export function digCommand(): Command {
  return withName(new Command("dig").description("resolve a name as a pod does, with its search path"))
    .argument("<name>")
    .argument("[type]", "A, AAAA, SRV, PTR, CNAME, TXT, NS, SOA, or any other type of record", "A")
    .option("--from <source>", "pod/[namespace/]name or host", "host")
    .option("--no-search", "ask the name as written")
    .addOption(new Option("-o, --output <format>", "print it as data").choices(["json"]))
    .addHelpText("after", "\nExample:\n  loopkube dig --from pod/client-0 shop")
    .action((name: string, type: string, options: Options) =>
      connected(options, async (client) => {
        const path = diagnosticsPath("dig", {
          from: options.from,
          dnsName: name,
          type: type.toUpperCase(),
          search: String(options.search),
        });
        const { steps } = (await client.request("GET", path)) as unknown as { steps: readonly DnsStep[] };
        if (options.output === "json") return print(JSON.stringify(steps, undefined, 2));
        print(ladderText(steps));
        if (steps.at(-1)?.rcode !== "NOERROR") process.exitCode = 1;
      }),
    );
}

function ladderText(steps: readonly DnsStep[]): string {
  const rows = steps.map((step, index) => [
    String(index + 1),
    step.name,
    step.type,
    step.rcode,
    `${step.durationMs.toFixed(1)} ms`,
    step.tcp ? "tcp" : "udp",
  ]);
  const last = steps.at(-1);
  const answers = last?.answers.map((record) => `${record.name}  ${record.ttl}  IN  ${record.type}  ${record.data}`) ?? [];
  const empty = last?.rcode === "NOERROR" ? "no data: the name exists, but has no record of this type" : `no answer: ${last?.rcode}`;
  const count = `${steps.length} ${steps.length === 1 ? "question" : "questions"} to ${last?.server}`;
  return [
    textTable(["#", "NAME", "TYPE", "RCODE", "TIME", "OVER"], rows),
    "",
    ...(answers.length > 0 ? answers : [empty]),
    style("dim", count),
  ].join("\n");
}
