// Every subresource that is served: its verbs, the kind it speaks, and its handler. Adding one is a file and a line here.
// Upstream: the storage maps of each registry's rest package.
import type { Subresource } from "../../model/resources.ts";
import { bindPod } from "./binding.ts";
import { evictPod } from "./eviction.ts";
import { finalizeNamespace } from "./finalize.ts";
import { podLogs } from "./log.ts";
import { objectPart } from "./object-part.ts";
import { proxyRequest } from "./proxy.ts";
import { scaleResource } from "./scale.ts";
import type { ServedSubresource } from "./served-subresource.ts";
import { createToken } from "./token.ts";

const PROXY_VERBS = ["create", "delete", "get", "patch", "update"];

/** exec, attach and portforward come as upgrades, which the server takes before any handler. */
const upgradeOnly = (kind: string): ServedSubresource => ({ verbs: ["create", "get"], kind: ["", "v1", kind], upgrade: true });

export const subresourceHandlers: ReadonlyMap<Subresource, ServedSubresource> = new Map<Subresource, ServedSubresource>([
  ["status", objectPart("status")],
  ["ephemeralcontainers", objectPart("ephemeralcontainers")],
  ["scale", { verbs: ["get", "patch", "update"], kind: ["autoscaling", "v1", "Scale"], handle: scaleResource }],
  ["finalize", { verbs: ["update"], handle: finalizeNamespace }],
  ["binding", { verbs: ["create"], kind: ["", "v1", "Binding"], handle: bindPod }],
  ["eviction", { verbs: ["create"], kind: ["policy", "v1", "Eviction"], handle: evictPod }],
  ["token", { verbs: ["create"], kind: ["authentication.k8s.io", "v1", "TokenRequest"], handle: createToken }],
  ["log", { verbs: ["get"], handle: podLogs }],
  ["exec", upgradeOnly("PodExecOptions")],
  ["attach", upgradeOnly("PodAttachOptions")],
  ["portforward", upgradeOnly("PodPortForwardOptions")],
  ["proxy", { verbs: PROXY_VERBS, handle: proxyRequest }],
]);
