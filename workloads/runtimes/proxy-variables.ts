// The variables by which clients in a process pod go through the gateway, as that pod.
import type { Sandbox } from "./runtime.ts";

/** The gateway's port for SOCKS5h and HTTP proxying on this machine. */
export interface GatewayAddress {
  readonly ip: string;
  readonly port: number;
}

/** The proxy user is `namespace/pod`. */
export function proxyUser(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** Upper and lower case, since programs differ; none without a gateway. */
export function proxyVariables({ peer }: Sandbox, gateway: GatewayAddress | undefined): Readonly<Record<string, string>> {
  if (!gateway) return {};
  const user = peer.kind === "pod" ? `${encodeURIComponent(proxyUser(peer.namespace, peer.name))}@` : "";
  const http = `http://${user}${gateway.ip}:${gateway.port}`;
  const variables = {
    HTTP_PROXY: http,
    HTTPS_PROXY: http,
    ALL_PROXY: `socks5h://${user}${gateway.ip}:${gateway.port}`,
    NO_PROXY: "localhost,127.0.0.1",
  };
  const lower = Object.fromEntries(Object.entries(variables).map(([name, value]) => [name.toLowerCase(), value]));
  return { ...variables, ...lower, NODE_USE_ENV_PROXY: "1" };
}
