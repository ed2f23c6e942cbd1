// `kubectl get ingresses`. Upstream: printers/internalversion printIngress.
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import { Ingresses } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

function hostsText(ingress: Ingress): string {
  const rules = ingress.spec?.rules ?? [];
  const hosts = rules.map(({ host }) => host ?? "").filter((host) => host !== "");
  const shown = hosts.slice(0, 3).join(",");
  if (hosts.length > 3) return `${shown} + ${rules.length - 3} more...`;
  return shown === "" ? "*" : shown;
}

function addressText(ingress: Ingress): string {
  const points = ingress.status?.loadBalancer?.ingress ?? [];
  return [...new Set(points.map(({ ip, hostname }) => ip || hostname || ""))]
    .filter((text) => text !== "")
    .sort()
    .join(",");
}

export const ingressPrinter = printer(Ingresses, ["Name", "Class", "Hosts", "Address", "Ports", "Age"], (ingress, nowMs) => [
  ingress.metadata.name,
  ingress.spec?.ingressClassName ?? "<none>",
  hostsText(ingress),
  addressText(ingress),
  (ingress.spec?.tls ?? []).length > 0 ? "80, 443" : "80",
  ageOf(ingress.metadata.creationTimestamp, nowMs),
]);
