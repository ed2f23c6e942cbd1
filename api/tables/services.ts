// `kubectl get services`. Upstream: printers/internalversion printService.
import type { Service } from "../../model/kinds/core-v1.ts";
import { Services } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { labelsText } from "./format.ts";
import { printer } from "./table.ts";

function externalIp(service: Service): string {
  const { type, externalIPs = [], externalName } = service.spec;
  if (type === "ExternalName") return externalName ?? "";
  if (type !== "LoadBalancer") return externalIPs.join(",") || "<none>";
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  const balancer = [...new Set(ingress.map(({ ip, hostname }) => ip || hostname || ""))].filter((text) => text !== "").sort();
  return [...balancer, ...externalIPs].join(",") || "<pending>";
}

function portsText(service: Service): string {
  const texts = (service.spec.ports ?? []).map(({ port, nodePort, protocol }) => {
    const numbers = nodePort ? `${port}:${nodePort}` : `${port}`;
    return `${numbers}/${protocol ?? "TCP"}`;
  });
  return texts.join(",") || "<none>";
}

export const servicePrinter = printer(
  Services,
  ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "+Selector"],
  (service, nowMs) => [
    service.metadata.name,
    service.spec.type ?? "ClusterIP",
    service.spec.clusterIPs?.[0] || service.spec.clusterIP || "<none>",
    externalIp(service),
    portsText(service),
    ageOf(service.metadata.creationTimestamp, nowMs),
    labelsText(service.spec.selector),
  ],
);
