// The search path of the pod that asks, for autopath.
// Upstream: CoreDNS plugin/kubernetes/autopath.go.
import { canonicalIp } from "../model/ip.ts";
import type { Query } from "./message.ts";
import { fqdn } from "./name.ts";
import type { PluginEnv } from "./plugin.ts";

/** `<ns>.svc.<zone>`, `svc.<zone>`, `<zone>`, the server's own search list, and last the bare name; empty when the client is no pod. */
export function clientSearchPath(env: PluginEnv, query: Query, zone: string): readonly string[] {
  const ip = canonicalIp(query.client.ip);
  const pod = ip === undefined ? undefined : env.zone.podsAt(ip)[0];
  if (!pod) return [];
  const own =
    /^search\s+(.*)$/m
      .exec(env.readFile("/etc/resolv.conf") ?? "")?.[1]
      ?.trim()
      .split(/\s+/) ?? [];
  const below = zone === "." ? "" : zone;
  return [...new Set([`${pod.namespace}.svc.${below}`, `svc.${below}`, zone, ...own.map((name) => fqdn(name.toLowerCase())), ""])];
}
