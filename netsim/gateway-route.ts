// Where a name given to the gateway leads: through cluster DNS as a pod or the host of namespace default would resolve it,
// `*.svc.localhost` as the Service of that name, literal addresses as they are.
import type { Duplex } from "node:stream";
import { canonicalIp } from "../model/ip.ts";
import type { Peer, ResolvConf, Resolve, SocketAddress } from "../model/ports.ts";
import { addressError, errnoOf } from "./errno.ts";
import type { Fabric } from "./fabric.ts";

export interface GatewayRouteOptions {
  readonly fabric: Fabric;
  readonly resolve: Resolve;
  /** Default cluster.local. */
  readonly clusterDomain?: string | undefined;
  /** A pod's own resolv.conf; default that of a ClusterFirst pod of its namespace (the host: of namespace default). */
  readonly resolvConf?: ((peer: Peer) => ResolvConf) | undefined;
  /** TCP ports of a Service, in its order; lets `web.default.svc.localhost` find a Service that has no port 80. */
  readonly servicePorts?: ((namespace: string, name: string) => readonly number[] | undefined) | undefined;
  /** Default 127 s. */
  readonly connectTimeoutMs?: number | undefined;
}

/** Connects on behalf of the gateway's clients. */
export interface GatewayRoute {
  /** Rejects with an errno error of `connect`, or `getaddrinfo ENOTFOUND name`. */
  connect(from: Peer, host: string, port: number, signal?: AbortSignal, onEndpoint?: (endpoint: SocketAddress) => void): Promise<Duplex>;
  /** The cluster name and port of a `Host` header such as `web.default.svc.localhost:1080`; undefined when it names no Service. */
  service(host: string, ownPort: number): { readonly host: string; readonly port: number } | undefined;
}

const LOCALHOST = ".svc.localhost";

export function createGatewayRoute(options: GatewayRouteOptions): GatewayRoute {
  const { fabric, resolve, clusterDomain = "cluster.local", connectTimeoutMs } = options;
  const suffix = `.svc.${clusterDomain}`;

  const defaultConf = (peer: Peer): ResolvConf => ({
    nameservers: [fabric.plan.dnsIp],
    searches: [`${peer.kind === "pod" ? peer.namespace : "default"}${suffix}`, suffix.slice(1), clusterDomain],
    options: ["ndots:5"],
  });
  const addresses = async (from: Peer, host: string): Promise<readonly string[]> => {
    const literal = canonicalIp(host);
    if (literal !== undefined) return [literal];
    if (host === "localhost") return ["127.0.0.1"];
    const name = host.endsWith(LOCALHOST) ? `${host.slice(0, -LOCALHOST.length)}${suffix}.` : host;
    return resolve.lookup(from, (options.resolvConf ?? defaultConf)(from), name);
  };
  return {
    async connect(from, hostText, port, signal, onEndpoint) {
      const host = hostText.toLowerCase();
      const found = await addresses(from, host);
      let failure: unknown = addressError("connect", "EHOSTUNREACH", { ip: host, port });
      for (const ip of found) {
        try {
          const dialOptions = {
            allowHalfOpen: true,
            ...(signal ? { signal } : {}),
            ...(onEndpoint ? { onEndpoint } : {}),
            ...(connectTimeoutMs === undefined ? {} : { timeoutMs: connectTimeoutMs }),
          };
          return await fabric.dial(from, { ip, port }, dialOptions);
        } catch (error) {
          failure = error;
          if (signal?.aborted) break;
        }
      }
      throw failure;
    },
    service(hostHeader, ownPort) {
      const target = splitHostPort(hostHeader.toLowerCase(), 0);
      if (!target) return undefined;
      const name = target.host.replace(/\.$/, "");
      const stem = [LOCALHOST, suffix].find((each) => name.endsWith(each));
      if (stem === undefined) return undefined;
      const [namespace = "", service = ""] = name.slice(0, -stem.length).split(".").reverse();
      if (namespace === "" || service === "") return undefined;
      const ports = options.servicePorts?.(namespace, service) ?? [];
      const asked = target.port !== 0 && (target.port !== ownPort || ports.includes(target.port)) ? target.port : undefined;
      const port =
        asked !== undefined && (ports.length === 0 || ports.includes(asked)) ? asked : ports.includes(80) ? 80 : (ports[0] ?? 80);
      return { host: `${name.slice(0, -stem.length)}${suffix}.`, port };
    },
  };
}

/** `host:port`, `[::1]:port` or a bare host; undefined when malformed. */
export function splitHostPort(text: string, defaultPort: number): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/@]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  return host === undefined || port > 65535 ? undefined : { host, port };
}

/** One line for a person: what failed, and why as far as the network told. */
export function explainFailure(error: unknown, host: string, port: number): string {
  const target = `${host.replace(/\.$/, "")}:${port}`;
  switch (errnoOf(error)) {
    case "ENOTFOUND":
      return `${target}: no such host in the cluster's DNS`;
    case "EAI_AGAIN":
      return `${target}: not a name of the cluster (names outside it are not forwarded), or cluster DNS did not answer`;
    case "ECONNREFUSED":
      return `${target}: connection refused (nothing listens there, or the Service has no endpoints)`;
    case "ETIMEDOUT":
      return `${target}: connection timed out (dropped on the way)`;
    case "ENETUNREACH":
      return `${target}: not a cluster address (nothing is sent outside)`;
    default:
      return `${target}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
