// What upstream's controller warns of in its log when it takes up a host: Services, certificates, cookies.
// Upstream: controller.go serviceEndpoints, getBackendServers, createServers; store/backend_ssl.go, local_secret.go. Upstream says it
// again with every sync; here it is said when the host's configuration changes.
import { certificateWarnings } from "./certificate-warnings.ts";
import type { Server } from "../routes/route-table.ts";
import type { Upstreams } from "../routes/upstreams.ts";

export interface WarningFacts {
  readonly upstreams: Upstreams;
  secret(key: string): Readonly<Record<string, Buffer>> | undefined;
}

/** Where in upstream's source, and what. */
export type ServerWarning = readonly [place: string, text: string];

export function serverWarnings({ host, locations, certificate }: Server, facts: WarningFacts, nowMs: number): readonly ServerWarning[] {
  const { upstreams } = facts;
  const warnings = new Map<string, ServerWarning>();
  const warn = (place: string, text: string): void => void warnings.set(text, [place, text]);
  for (const { backend, settings } of locations) {
    const key = backend && `${backend.namespace}/${backend.service}`;
    if (backend && key !== undefined && !upstreams.service(key))
      warn("controller.go:1135", `Error obtaining Endpoints for Service "${key}": no object matching key "${key}" in local store`);
    else if (backend && upstreams.find(backend).type === "none")
      warn("controller.go:1241", `Service "${key}" does not have any active Endpoint.`);
    if (settings.affinity.enabled && settings.rewrite.useRegex && settings.affinity.path === "")
      warn("controller.go:886", "session-cookie-path should be set when use-regex is true");
  }
  const name = certificate?.secret;
  if (name !== undefined) for (const warning of certificateWarnings(host, name, facts.secret(name), nowMs)) warn(...warning);
  return [...warnings.values()];
}
