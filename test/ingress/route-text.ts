// Ingresses in one line each, and the location that answers a request.
import { findLocation, findServer, hostName, locationText } from "../../ingress/request/match.ts";
import { parseTarget } from "../../ingress/request/request-path.ts";
import type { RouteTable } from "../../ingress/routes/route-table.ts";
import type { Ingress, IngressClass } from "../../model/kinds/networking-v1.ts";
import { ingress } from "./raw.ts";

export const classes: readonly IngressClass[] = [
  { apiVersion: "networking.k8s.io/v1", kind: "IngressClass", metadata: { name: "nginx" }, spec: { controller: "k8s.io/ingress-nginx" } },
];

/** `name host path Type service [annotation=value…]` per line; a line is a second younger than the one before. */
export function objects(text: string): readonly Ingress[] {
  return text
    .trim()
    .split("\n")
    .map((line, at) => {
      const [name = "", host = "", path = "", pathType = "", service = "", ...annotations] = line.trim().split(/\s+/);
      const made = ingress(
        name,
        host,
        service,
        Object.fromEntries(annotations.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)])),
        path,
        pathType,
      );
      return { ...made, metadata: { ...made.metadata, creationTimestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, at)).toISOString() } };
    });
}

export function answerOf(table: RouteTable, host: string, target: string): string {
  const parsed = parseTarget(target);
  if (!parsed) return "400";
  const server = findServer(table, hostName(host));
  const match = findLocation(server, parsed.path);
  if (match.type === "slash") return "301";
  if (match.type !== "location") return match.type;
  return `${match.location.backend?.service ?? "404"} ${locationText(match.location)}`;
}
