// `kubectl get nodes`. Upstream: printers/internalversion printNode.
import type { Node } from "../../model/kinds/core-v1.ts";
import { Nodes } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

const ROLE_PREFIX = "node-role.kubernetes.io/";

function statusText(node: Node): string {
  const ready = (node.status?.conditions ?? []).find(({ type }) => type === "Ready");
  const text = ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady";
  return node.spec?.unschedulable === true ? `${text},SchedulingDisabled` : text;
}

function rolesText(node: Node): string {
  const roles = Object.entries(node.metadata.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length) return [key.slice(ROLE_PREFIX.length)];
    return key === "kubernetes.io/role" && value !== "" ? [value] : [];
  });
  return [...new Set(roles)].sort().join(",") || "<none>";
}

const addressOf = (node: Node, wanted: string): string =>
  (node.status?.addresses ?? []).find(({ type }) => type === wanted)?.address || "<none>";

export const nodePrinter = printer(
  Nodes,
  ["Name", "Status", "Roles", "Age", "Version", "+Internal-IP", "+External-IP", "+OS-Image", "+Kernel-Version", "+Container-Runtime"],
  (node, nowMs) => {
    const info = node.status?.nodeInfo;
    return [
      node.metadata.name,
      statusText(node),
      rolesText(node),
      ageOf(node.metadata.creationTimestamp, nowMs),
      info?.kubeletVersion ?? "",
      addressOf(node, "InternalIP"),
      addressOf(node, "ExternalIP"),
      info?.osImage || "<unknown>",
      info?.kernelVersion || "<unknown>",
      info?.containerRuntimeVersion || "<unknown>",
    ];
  },
);
