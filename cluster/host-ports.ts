// The ports on 127.0.0.1 by which programs of this machine reach the cluster: API, gateway, DNS, Ingress.
import type { Server } from "node:net";
import type { Listening, Protocol, SocketAddress } from "../model/ports.ts";
import type { Fabric, HostPort } from "../netsim/index.ts";
import { type ClusterOptions, FREE_PORTS, type HostPorts as Ports } from "./options.ts";

const HOST = "127.0.0.1";
const API_PORT = 6443;
const TRIES = 64;

export interface HostPorts {
  wanted(name: keyof Ports): HostPort;
  /** Serves the API on its host port and at the control plane's address. */
  serveApi(server: Server, nodeIp: string): Promise<void>;
  gatewayIs(socket: SocketAddress | undefined): void;
  publishDns(dnsIp: string): Promise<void>;
  publishIngress(ip: string): Promise<void>;
  /** `127.0.0.1:6443`; "" when it is not there. */
  text(name: keyof Ports): string;
  /** What is behind a port of this machine. */
  at(socket: SocketAddress): PublishedPort | undefined;
}

export interface PublishedPort {
  /** For people: "the Ingress (HTTP)". */
  readonly what: string;
  /** The cluster address at which its flows behave as if they had arrived; undefined: it is a server beside the cluster. */
  readonly to: SocketAddress | undefined;
}

const WHAT: Readonly<Record<keyof Ports, string>> = {
  api: "the API server",
  gateway: "the gateway (SOCKS5 and HTTP proxy)",
  dns: "cluster DNS",
  http: "the Ingress (HTTP)",
  https: "the Ingress (HTTPS)",
};

export function createHostPorts(fabric: Fabric, options: ClusterOptions): HostPorts {
  const wanted = { ...FREE_PORTS, ...options.ports };
  const sockets: Partial<Record<keyof Ports, SocketAddress>> = {};
  const targets: Partial<Record<keyof Ports, SocketAddress>> = {};
  const hostPort = (name: keyof Ports): HostPort => ({ ip: HOST, port: wanted[name], ...(wanted[name] === 0 ? { tries: 1 } : {}) });
  const publish = async (name: keyof Ports, to: SocketAddress, protocol: Protocol): Promise<void> => {
    sockets[name] = (await fabric.publish(hostPort(name), to, protocol)).socket;
    targets[name] = to;
  };
  return {
    wanted: hostPort,
    async serveApi(server, nodeIp) {
      sockets.api = (await fabric.serveHost(hostPort("api"), server)).socket;
      await fabric.expose({ ip: nodeIp, port: API_PORT }, "TCP", { type: "server", server }, { kind: "node", name: "", ip: nodeIp });
    },
    gatewayIs: (socket) => void (socket && (sockets.gateway = socket)),
    async publishDns(dnsIp) {
      targets.dns = { ip: dnsIp, port: 53 };
      sockets.dns = await publishBoth(fabric, hostPort("dns"), targets.dns);
    },
    async publishIngress(ip) {
      await publish("http", { ip, port: 80 }, "TCP");
      await publish("https", { ip, port: 443 }, "TCP");
    },
    text(name) {
      const socket = sockets[name];
      return socket ? `${socket.ip}:${socket.port}` : "";
    },
    at({ ip, port }) {
      for (const name of ["api", "gateway", "dns", "http", "https"] as const) {
        const socket = sockets[name];
        if (socket?.ip === ip && socket.port === port) return { what: WHAT[name], to: targets[name] };
      }
      return undefined;
    },
  };
}

/** The same port number for UDP and TCP: the next one when either is taken. */
async function publishBoth(fabric: Fabric, host: HostPort, to: SocketAddress): Promise<SocketAddress> {
  for (let offset = 0; offset < TRIES; offset++) {
    const port = host.port === 0 ? 0 : host.port + offset;
    const udp = await fabric.publish({ ...host, port }, to, "UDP");
    const tcp = await fabric.publish({ ip: host.ip, port: udp.socket.port, tries: 1 }, to, "TCP");
    if (tcp.socket.port === udp.socket.port) return udp.socket;
    await Promise.all([(udp satisfies Listening).close(), tcp.close()]);
  }
  throw new Error(`no port from ${host.port} on is free on ${host.ip} for both UDP and TCP`);
}
