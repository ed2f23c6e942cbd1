// `loopkube dig NAME [TYPE]`: asks cluster DNS as a pod (or the host) would, and shows every step of the search ladder.
import { Command, Option } from "commander";
import type { DnsStep } from "../../model/ports.ts";
import { canonicalIp } from "../../model/ip.ts";
import { connected, diagnosticsPath, fromWords, nameWords, withName } from "../connect.ts";
import { Failure } from "../failure.ts";
import { print, style, textTable } from "../terminal.ts";
import { nearServices } from "../unknown-host.ts";

interface Options {
  readonly name?: string;
  readonly from: string;
  readonly search: boolean;
  readonly x?: boolean;
  readonly output?: string;
}

export function digCommand(): Command {
  return withName(new Command("dig").description("resolve a name as a pod does, with its search path"))
    .argument("<name>", "a name as a program would ask it; an address with type PTR")
    .argument("[type]", "A, AAAA, SRV, PTR, CNAME, TXT, NS, SOA, or any other type of record", "A")
    .option("--from <source>", "pod/[namespace/]name, node/name or host", "host")
    .option("-x", "the name of an address: type PTR")
    .option("--no-search", "ask the name as written")
    .addOption(new Option("-o, --output <format>", "print it as data").choices(["json"]))
    .addHelpText("after", "\nExample:\n  loopkube dig --from pod/client-0 shop")
    .action((name: string, typed: string, options: Options) =>
      connected(options, async (client) => {
        if (options.x && canonicalIp(name) === undefined) throw new Failure(`"${name}" is no address`);
        const type = options.x ? "PTR" : typed;
        checkName(name, type);
        const path = diagnosticsPath("dig", {
          from: options.from,
          dnsName: name,
          type: type.toUpperCase(),
          search: String(options.search),
        });
        const { steps } = (await client.request("GET", path)) as unknown as { steps: readonly DnsStep[] };
        if (options.output === "json") return print(JSON.stringify(steps, undefined, 2));
        print(ladderText(steps));
        const last = steps.at(-1);
        if (last?.rcode !== "NOERROR") process.exitCode = 1;
        if ((last?.answers.length ?? 0) > 0) return;
        const why = `why: loopkube explain dns ${nameWords(options)}${fromWords(options)}${name}${type === "A" ? "" : ` ${type.toUpperCase()}`}`;
        const advice = steps.some(({ rcode }) => rcode === "NOERROR") ? [] : await nearServices(client, name);
        process.stderr.write(`${[...advice, why].join("\n")}\n`);
      }),
    );
}

/** What no resolver would send. */
function checkName(name: string, type: string): void {
  if (canonicalIp(name) !== undefined) {
    if (type.toUpperCase() !== "PTR")
      throw new Failure(`${name} is an address, not a name`, { advice: [`its name: loopkube dig ${name} PTR`] });
    return;
  }
  const labels = name.replace(/\.$/, "").split(".");
  if ((name !== "." && labels.some((label) => label === "" || Buffer.byteLength(label) > 63)) || Buffer.byteLength(name) > 254)
    throw new Failure(`"${name}" is no DNS name: its parts have 1 to 63 bytes, and all of it 253 at most`);
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
  const known = steps.find(({ rcode }) => rcode === "NOERROR");
  const empty = known ? `no data: ${known.name} exists, but has no ${known.type} record` : `no answer: ${last?.rcode}`;
  const count = `${steps.length} ${steps.length === 1 ? "question" : "questions"} to ${last?.server}`;
  return [
    textTable(["#", "NAME", "TYPE", "RCODE", "TIME", "OVER"], rows),
    "",
    ...(answers.length > 0 ? answers : [empty]),
    style("dim", count),
  ].join("\n");
}
