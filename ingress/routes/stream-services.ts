// The tcp-services and udp-services ConfigMaps: which port of the controller goes to which Service, below HTTP.
// Upstream: controller.go getStreamServices, with its messages.
import { compareText } from "../../model/text.ts";
import type { ControllerFlags } from "../config.ts";
import type { Peer, Upstreams } from "./upstreams.ts";

export type StreamProtocol = "TCP" | "UDP";

export interface StreamService {
  readonly protocol: StreamProtocol;
  /** Of the controller. */
  readonly port: number;
  /** `tcp-namespace-service-port`, upstream's name of it. */
  readonly upstream: string;
  /** `namespace/service:port`, as the ConfigMap says it. */
  readonly backend: string;
  /** PROXY protocol is expected of clients, and spoken to pods; TCP only. */
  readonly decode: boolean;
  readonly encode: boolean;
  readonly peers: readonly Peer[];
}

export interface StreamServices {
  /** By port. A Service without endpoints is not among them: its port is closed. */
  readonly services: readonly StreamService[];
  /** What is wrong with the rest. */
  readonly problems: readonly StreamProblem[];
}

export interface StreamProblem {
  /** `namespace/name` */
  readonly configMap: string;
  readonly text: string;
}

/** A ConfigMap and its data (`"9000": "default/example-go:8080:PROXY:PROXY"`); undefined data: it does not exist. */
export interface StreamConfigMap {
  readonly configMap: string;
  readonly protocol: StreamProtocol;
  readonly data: Readonly<Record<string, string>> | undefined;
}

/** Reads the ConfigMaps that the flags name. */
export function compileStreamServices(
  configMaps: readonly StreamConfigMap[],
  flags: ControllerFlags,
  upstreams: Upstreams,
): StreamServices {
  const reserved = new Set([
    flags.httpPort,
    flags.httpsPort,
    flags.sslPassthroughProxyPort,
    flags.healthzPort,
    flags.statusPort,
    ...flags.ownPorts,
  ]);
  const services: StreamService[] = [];
  const problems: StreamProblem[] = [];
  for (const { configMap, protocol, data } of configMaps) {
    if (!data) problems.push({ configMap, text: `Error getting ConfigMap ${JSON.stringify(configMap)}: ${noSuchObject(configMap)}` });
    for (const [key, reference] of Object.entries(data ?? {})) {
      const found = readPort(key, reference, protocol, reserved, upstreams);
      if (typeof found === "string") problems.push({ configMap, text: found });
      else services.push(found);
    }
  }
  services.sort((a, b) => compareText(a.protocol, b.protocol) || a.port - b.port);
  return { services, problems };
}

function readPort(
  key: string,
  reference: string,
  protocol: StreamProtocol,
  reserved: ReadonlySet<number>,
  upstreams: Upstreams,
): StreamService | string {
  const port = Number(key);
  // strconv.Atoi lets more by, which nginx would refuse.
  if (!/^\+?\d+$/.test(key) || port < 1 || port > 65_535) return `${JSON.stringify(key)} is not a valid ${protocol} port number`;
  if (reserved.has(port)) return `Port ${port} cannot be used for ${protocol} stream services. It is reserved for the Ingress controller.`;
  return streamService(port, reference, protocol, upstreams);
}

const noSuchObject = (key: string): string => `no object matching key ${JSON.stringify(key)} in local store`;

function streamService(port: number, reference: string, protocol: StreamProtocol, upstreams: Upstreams): StreamService | string {
  const parts = reference.split(":");
  const [name = "", servicePort, decode = "", encode = ""] = parts;
  if (servicePort === undefined) return `Invalid Service reference ${JSON.stringify(reference)} for ${protocol} port ${port}`;
  const [namespace = "", service = "", ...more] = name.split("/");
  if (namespace === "" || service === "" || more.length > 0) return `invalid format (namespace/name) found in '${name}'`;
  if (!upstreams.service(name)) return `Error getting Service ${JSON.stringify(name)}: ${noSuchObject(name)}`;
  const peers = upstreams.streamPeers(name, servicePort, protocol);
  if (peers.length === 0) return `Service ${JSON.stringify(name)} does not have any active Endpoint for ${protocol} port ${servicePort}`;
  const proxied = (word: string): boolean => protocol === "TCP" && word.toUpperCase() === "PROXY";
  return {
    protocol,
    port,
    upstream: `${protocol.toLowerCase()}-${namespace}-${service}-${servicePort}`,
    backend: `${name}:${servicePort}`,
    decode: proxied(decode),
    encode: parts.length === 4 && proxied(encode),
    peers,
  };
}
