// Which addresses the status of Ingresses shows: --publish-status-address, else of the published Service, else of the controllers' nodes.
// Upstream: internal/ingress/status/status.go runningAddresses, internal/k8s/main.go GetNodeIPs.
import type { Pod, Service } from "../../model/kinds/core-v1.ts";
import type { IngressLoadBalancerIngress } from "../../model/kinds/networking-v1.ts";
import { canonicalIp } from "../../model/ip.ts";
import { splitKey } from "../../model/object.ts";
import { Nodes, Services } from "../../model/resources.ts";
import { compareText } from "../../model/text.ts";
import type { Reader } from "../../store/index.ts";
import type { ControllerFlags } from "../config.ts";

type Addresses = readonly IngressLoadBalancerIngress[];

/** Sorted; undefined: nothing is known, and what an Ingress says stays. */
export function statusAddresses(reader: Pick<Reader, "get">, flags: ControllerFlags, pods: readonly Pod[]): Addresses | undefined {
  const found = unsorted(reader, flags, pods);
  return found && sorted(found);
}

/** As a status is compared and shown. */
export const sorted = (addresses: Addresses): Addresses =>
  addresses.toSorted((a, b) => compareText(a.hostname ?? "", b.hostname ?? "") || compareText(a.ip ?? "", b.ip ?? ""));

function unsorted(reader: Pick<Reader, "get">, flags: ControllerFlags, pods: readonly Pod[]): Addresses | undefined {
  if (flags.publishStatusAddress !== "") return flags.publishStatusAddress.split(/,\s*/).map(addressOf);
  if (flags.publishService === "") return nodeAddresses(reader, pods, flags.reportNodeInternalIp);
  const { namespace, name } = splitKey(flags.publishService);
  const service = reader.get(Services, namespace, name);
  return service && serviceAddresses(service);
}

function serviceAddresses({ spec, status }: Service): Addresses | undefined {
  const external = (spec.externalIPs ?? []).map((ip) => ({ ip }));
  const cluster = spec.clusterIP === undefined || spec.clusterIP === "None" ? undefined : [{ ip: spec.clusterIP }];
  switch (spec.type) {
    case "ExternalName":
      return spec.externalName === undefined ? undefined : [{ hostname: spec.externalName }];
    case "LoadBalancer": {
      const given = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ({
        ...(ip === undefined ? {} : { ip }),
        ...(hostname === undefined ? {} : { hostname }),
      }));
      return [...given, ...external.filter(({ ip }) => !given.some((known) => known.ip === ip || known.hostname === ip))];
    }
    case "NodePort":
      return external.length > 0 ? external : cluster;
    default:
      return cluster;
  }
}

/** Of the nodes on which controllers run and are ready. */
function nodeAddresses(reader: Pick<Reader, "get">, pods: readonly Pod[], internal: boolean): Addresses {
  const ready = pods.filter(({ status }) =>
    status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True"),
  );
  const found = new Set<string>();
  for (const { spec } of ready) {
    const addresses = reader.get(Nodes, "", spec.nodeName ?? "")?.status?.addresses ?? [];
    const of = (type: string): readonly string[] =>
      addresses.flatMap((entry) => (entry.type === type && entry.address !== "" ? [entry.address] : []));
    const external = of("ExternalIP");
    for (const address of internal || external.length === 0 ? of("InternalIP") : external) found.add(address);
  }
  return [...found].map(addressOf);
}

const addressOf = (text: string): IngressLoadBalancerIngress => (canonicalIp(text) === undefined ? { hostname: text } : { ip: text });
