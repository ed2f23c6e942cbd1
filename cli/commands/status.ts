// `loopkube status`: every address of the running cluster, for people or (-o json) for scripts.
import { Command, Option } from "commander";
import type { JsonObject } from "../../model/object.ts";
import { connected, fetchStatus, withName } from "../connect.ts";
import { print, style, textTable } from "../terminal.ts";

export function statusCommand(): Command {
  return withName(new Command("status").description("show the running cluster's addresses and health"))
    .addOption(new Option("-o, --output <format>", "print it as data").choices(["json"]))
    .action((options: { name?: string; output?: string }) =>
      connected(options, async (client, state) => {
        const status = await fetchStatus(client, state);
        print(options.output === "json" ? JSON.stringify(status, undefined, 2) : statusText(status));
      }),
    );
}

interface NodeStatus {
  readonly name: string;
  readonly ip: string;
  readonly podCIDR: string;
  /** Of each family, in a dual-stack cluster. */
  readonly ips?: readonly string[];
  readonly podCIDRs?: readonly string[];
}

interface IngressStatus {
  readonly http?: string;
  readonly https?: string;
  /** By port of the controller's Service. */
  readonly tcp?: Readonly<Record<string, string>>;
  readonly udp?: Readonly<Record<string, string>>;
}

function streamRows(ingress: IngressStatus | undefined): string[][] {
  return (["tcp", "udp"] as const).flatMap((protocol) => {
    const ports = Object.entries(ingress?.[protocol] ?? {});
    return ports.length === 0 ? [] : [["", `${protocol} ${ports.map(([port, at]) => `${port} at ${at}`).join(", ")}`]];
  });
}

/** The status as a person reads it. */
export function statusText(status: JsonObject): string {
  const ingress = status["ingress"] as IngressStatus | undefined;
  const nodes = (status["nodes"] ?? []) as unknown as readonly NodeStatus[];
  const addresses = textTable(
    ["", ""],
    [
      ["API server", String(status["api"])],
      ["kubeconfig", String(status["kubeconfig"])],
      ["cluster DNS", `${status["dns"]}  (Service ${status["dnsService"]})`],
      ["gateway", `${status["gateway"]}  (SOCKS5, HTTP proxy)`],
      ["ingress", `${ingress?.http}  ${ingress?.https}`],
      ...streamRows(ingress),
      [
        "address plan",
        `${status["addressPlan"]}, cluster index ${status["index"]}, proxy mode ${status["proxyMode"]}, seed ${status["seed"]}`,
      ],
    ],
  );
  const table = textTable(
    ["NODE", "ADDRESS", "PODS"],
    nodes.map((node) => [node.name, (node.ips ?? [node.ip]).join(","), (node.podCIDRs ?? [node.podCIDR]).join(",")]),
  );
  const pods = status["pods"] as Record<string, number> | undefined;
  const counts = Object.entries(pods ?? {})
    .map(([phase, count]) => `${count} ${phase}`)
    .join(", ");
  return `${style("bold", String(status["name"]))}${addresses}\n\n${table}\n\npods: ${counts === "" ? "none" : counts}`;
}
