// From what a person writes as a destination (URL, host:port, pod/name:port, svc/name) to host, port and protocol.
import { badRequest, notFound } from "../model/errors.ts";
import type { Protocol } from "../model/ports.ts";
import { Pods, Services } from "../model/resources.ts";
import type { Reader } from "../store/index.ts";

export interface Destination {
  readonly host: string;
  readonly port: number;
  readonly protocol: Protocol;
}

const SCHEME_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443, ws: 80, wss: 443, tcp: 0, udp: 0, dns: 53 };

/** Throws 400 when the text cannot be read, 404 when it names an object that is not there. */
export function parseDestination(store: Reader, text: string): Destination {
  const scheme = /^([a-z]+):\/\//.exec(text)?.[1];
  const protocol: Protocol = scheme === "udp" || scheme === "dns" ? "UDP" : "TCP";
  if (scheme !== undefined && !(scheme in SCHEME_PORTS)) throw badRequest(`"${text}": the scheme ${scheme} is not known`);
  const rest = text.slice(scheme === undefined ? 0 : scheme.length + 3);
  const object = /^(pods?|po|svc|services?)\/(?:([^/:]+)\/)?([^/:]+)(?::(\d+))?$/.exec(scheme === undefined ? rest : "");
  if (object) return objectDestination(store, object, protocol);
  const authority = /^(\[[^\]]+\]|[^/:?#]+)(?::(\d+))?(?:[/?#].*)?$/.exec(rest);
  if (!authority) throw badRequest(`"${text}" names no destination: use a URL, host:port, pod/NAME:PORT or svc/NAME:PORT`);
  const port = authority[2] === undefined ? (SCHEME_PORTS[scheme ?? "http"] ?? 80) : Number(authority[2]);
  if (port < 1 || port > 65535) throw badRequest(`"${text}" has no port`);
  return { host: (authority[1] ?? "").replace(/^\[|\]$/g, ""), port, protocol };
}

function objectDestination(store: Reader, match: RegExpExecArray, protocol: Protocol): Destination {
  const [, kind = "", namespace = "default", name = "", port] = match;
  if (kind.startsWith("s")) {
    const service = store.get(Services, namespace, name);
    if (!service) throw notFound(Services, name);
    return { host: `${name}.${namespace}.svc`, port: Number(port ?? service.spec.ports?.[0]?.port ?? 80), protocol };
  }
  const pod = store.get(Pods, namespace, name);
  if (!pod) throw notFound(Pods, name);
  if (pod.status?.podIP === undefined) throw badRequest(`pod ${namespace}/${name} has no IP yet`);
  return { host: pod.status.podIP, port: Number(port ?? pod.spec.containers[0]?.ports?.[0]?.containerPort ?? 80), protocol };
}
