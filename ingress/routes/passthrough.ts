// Where a TLS connection goes by the name in its ClientHello: unopened to a Service, or to the controller's own HTTPS server.
// Upstream: pkg/tcpproxy, controller.go createServers and getConfiguration, nginx.go generateTemplate.
import type { SocketAddress } from "../../model/ports.ts";
import { findServer } from "../request/match.ts";
import type { BackendRef, Owner, RouteTable } from "./route-table.ts";
import type { Upstreams } from "./upstreams.ts";

export type TlsRoute =
  /** Raw to the Service's ClusterIP, where kube-proxy chooses the endpoint. */
  | { readonly type: "service"; readonly owner: Owner; readonly backend: BackendRef; readonly address: SocketAddress }
  /** It would go unopened, and there is nothing to connect to: it is closed. */
  | { readonly type: "closed"; readonly owner: Owner; readonly why: string }
  /** TLS ends at the controller. */
  | { readonly type: "terminate"; readonly why: string };

/** Names are compared as they are sent: no wildcards, no aliases, and case counts. */
export function tlsRoute(table: RouteTable, upstreams: Upstreams, serverName: string | undefined): TlsRoute {
  const terminate = (why: string): TlsRoute => ({ type: "terminate", why });
  if (!table.flags.enableSslPassthrough) return terminate("--enable-ssl-passthrough is not set");
  if (serverName === undefined) return terminate("the client sent no SNI");
  const server = table.hosts.get(serverName);
  if (server?.host !== serverName || !server.passthrough) {
    const near = findServer(table, serverName.toLowerCase());
    return terminate(
      near.passthrough
        ? `ssl-passthrough of ${near.host} is by exact name, which ${serverName} is not`
        : `no Ingress of host ${serverName} has ssl-passthrough`,
    );
  }
  const { owner, backend } = server.passthrough;
  const closed = (why: string): TlsRoute => ({ type: "closed", owner, why });
  if (!backend) return closed(`no path / (Prefix) of ${server.host} names a Service`);
  const key = `${backend.namespace}/${backend.service}`;
  const service = upstreams.service(key);
  if (!service) return terminate(`Service ${key} of ssl-passthrough does not exist`);
  const { clusterIP = "", ports = [] } = service.spec;
  const port = /^\d+$/.test(backend.port) ? Number(backend.port) : ports.find(({ name }) => name === backend.port)?.port;
  if (clusterIP === "" || clusterIP === "None") return closed(`Service ${key} has no ClusterIP`);
  if (port === undefined) return closed(`Service ${key} has no port ${backend.port}`);
  return { type: "service", owner, backend, address: { ip: clusterIP, port } };
}
