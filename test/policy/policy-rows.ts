// A little world of pods, nodes and namespaces, and policies as YAML, for tables of `from → to:port` rows.
import { parse } from "yaml";
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { NetworkPolicy } from "../../model/kinds/networking-v1.ts";
import type { Protocol } from "../../model/ports.ts";
import { compileNetworkPolicy, partyOfPod, type Party, type PodParty, PolicyTable } from "../../policy/index.ts";

const NAMESPACES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  default: { "kubernetes.io/metadata.name": "default" },
  shop: { "kubernetes.io/metadata.name": "shop", team: "shop" },
  bank: { "kubernetes.io/metadata.name": "bank", team: "bank" },
};

/** `namespace/name ip node labels ports`. */
const PODS = `
default/web     127.244.1.2  n1  app=web,tier=front     TCP/http=80,TCP/metrics=9100,UDP/dns=53
default/web2    127.244.1.3  n1  app=web,tier=front,v=2 TCP/http=8080
default/db      127.244.2.2  n2  app=db                 TCP/sql=5432
default/client  127.244.2.3  n2  app=client             -
shop/client     127.244.2.4  n2  app=client             -
shop/cart       127.244.1.5  n1  app=cart               TCP/http=80
bank/client     127.244.1.6  n1  app=client             -
`;

const podOf = (line: string): Pod => {
  const [key = "", podIP = "", nodeName = "", labels = "", ports = ""] = line.trim().split(/\s+/);
  const [namespace = "", name = ""] = key.split("/");
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: Object.fromEntries(labels.split(",").map((label) => label.split("="))) as Record<string, string> },
    spec: {
      nodeName,
      containers: [
        {
          name: "c",
          ports:
            ports === "-"
              ? []
              : ports.split(",").map((port) => {
                  const [, protocol = "TCP", portName = "", number = ""] = /^(\w+)\/(\w+)=(\d+)$/.exec(port) ?? [];
                  return { name: portName, protocol: protocol as Protocol, containerPort: Number(number) };
                }),
        },
      ],
    },
    status: { podIP, phase: "Running" },
  };
};

const pods: ReadonlyMap<string, PodParty> = new Map(
  PODS.trim()
    .split("\n")
    .flatMap((line) => {
      const party = partyOfPod(podOf(line));
      return party ? [[`${party.namespace}/${party.name}`, party] as const] : [];
    }),
);

/** `default/web`, `node/n1`, `host`, or an address outside the cluster. */
export function party(text: string): Party {
  const pod = pods.get(text);
  if (pod) return pod;
  if (text.startsWith("node/")) return { kind: "node", name: text.slice(5), ip: `127.18.0.${text.slice(6)}` };
  return { kind: "host", ip: text === "host" ? "127.0.0.1" : text };
}

/** Policies from YAML documents of `{name, namespace?, spec}`. */
export function policyTable(yaml: string): PolicyTable {
  const policies = yaml.split(/^---$/m).map((text): NetworkPolicy => {
    const { name, namespace = "default", spec } = parse(text) as { name: string; namespace?: string; spec: NetworkPolicy["spec"] };
    return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name, namespace }, spec };
  });
  return new PolicyTable(policies.map(compileNetworkPolicy), (name) => NAMESPACES[name]);
}

/** `from → to:port[/PROTOCOL]` → "allow" or "deny". */
export function verdictOf(table: PolicyTable, from: string, to: string): string {
  return ask(table, from, to).allowed ? "allow" : "deny";
}

export function ask(table: PolicyTable, from: string, to: string): ReturnType<PolicyTable["evaluate"]> {
  const [, name = "", port = "", protocol = "TCP"] = /^(.*):(\d+)(?:\/(\w+))?$/.exec(to) ?? [];
  return table.evaluate({ from: party(from), to: party(name), port: Number(port), protocol: protocol as Protocol });
}
