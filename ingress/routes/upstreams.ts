// Upstreams: the peers behind a Service's port, from its EndpointSlices. Compiled per Service, memoised until one of its objects changes.
// Upstream: internal/ingress/controller/endpointslices.go, controller.go serviceEndpoints.
import type { Service, ServicePort } from "../../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import { canonicalIp } from "../../model/ip.ts";
import type { Protocol } from "../../model/ports.ts";
import type { BackendRef } from "./route-table.ts";

export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

/** A place to send requests to: a Target of the balancers. */
export interface Peer {
  /** `ip:port` */
  readonly id: string;
  /** An address, or a name for ExternalName Services. */
  readonly host: string;
  readonly port: number;
}

export type Upstream =
  | { readonly type: "peers"; readonly name: string; readonly peers: readonly Peer[] }
  /** Nothing to send to, and the object at fault. */
  | { readonly type: "none"; readonly name: string; readonly reason: string };

export class Upstreams {
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #sliceService = new Map<string, string>();
  readonly #compiled = new Map<string, Map<string, Upstream>>();
  readonly #externalNames: boolean;

  /** Without external names: --disable-svc-external-name. */
  constructor(externalNames = true) {
    this.#externalNames = externalNames;
  }

  setService(key: string, service: Service | undefined): void {
    if (service) this.#services.set(key, service);
    else this.#services.delete(key);
    this.#compiled.delete(key);
  }
  setSlice(key: string, slice: EndpointSlice | undefined): void {
    const before = this.#sliceService.get(key);
    if (before !== undefined) {
      this.#slices.get(before)?.delete(key);
      this.#compiled.delete(before);
      this.#sliceService.delete(key);
    }
    const name = slice?.metadata.labels?.[SERVICE_NAME_LABEL];
    if (!slice || name === undefined) return;
    const service = `${slice.metadata.namespace}/${name}`;
    this.#sliceService.set(key, service);
    const slices = this.#slices.get(service) ?? new Map<string, EndpointSlice>();
    this.#slices.set(service, slices.set(key, slice));
    this.#compiled.delete(service);
  }
  service(key: string): Service | undefined {
    return this.#services.get(key);
  }
  /** Peers of a backend; `viaService`: the ClusterIP alone. */
  find(backend: BackendRef, viaService = false): Upstream {
    const key = `${backend.namespace}/${backend.service}`;
    const ports = this.#compiled.get(key) ?? new Map<string, Upstream>();
    if (ports.size === 0) this.#compiled.set(key, ports);
    const which = viaService ? `${backend.port} via service` : backend.port;
    let upstream = ports.get(which);
    if (!upstream)
      ports.set(
        which,
        (upstream = compileUpstream(
          backend,
          this.#services.get(key),
          [...(this.#slices.get(key)?.values() ?? [])],
          viaService,
          this.#externalNames,
        )),
      );
    return upstream;
  }
  /** Peers of a Service's port, by its number or name, for tcp-services and udp-services; empty when there are none. */
  streamPeers(key: string, wanted: string, protocol: Protocol): readonly Peer[] {
    const service = this.#services.get(key);
    const port = service?.spec.ports?.find(
      (each) => (/^\d+$/.test(wanted) ? each.port === Number(wanted) : each.name === wanted) && (each.protocol ?? "TCP") === protocol,
    );
    if (!service || !port) return [];
    if (service.spec.type !== "ExternalName") return readyPeers([...(this.#slices.get(key)?.values() ?? [])], port, protocol).peers;
    const found = externalPeer(key, service, externalPort(port), this.#externalNames);
    return typeof found === "string" ? [] : [found];
  }
}

/** Pure: objects to peers. */
export function compileUpstream(
  backend: BackendRef,
  service: Service | undefined,
  slices: readonly EndpointSlice[],
  viaService: boolean,
  externalNames = true,
): Upstream {
  const name = backend.upstream;
  const key = `${backend.namespace}/${backend.service}`;
  const none = (reason: string): Upstream => ({ type: "none", name, reason });
  if (!service) return none(`Service ${key} does not exist`);
  if (service.spec.type === "ExternalName") {
    const found = externalPeer(key, service, externalPortOf(service, backend.port), externalNames);
    return typeof found === "string" ? none(found) : { type: "peers", name, peers: [found] };
  }
  const port = findPort(service, backend.port);
  if (!port) return none(`Service ${key} has no port ${backend.port === "" ? "(none named)" : backend.port}: it has ${portsText(service)}`);
  const { clusterIP } = service.spec;
  if (viaService && clusterIP !== undefined && clusterIP !== "" && clusterIP !== "None")
    return { type: "peers", name, peers: [peer(clusterIP, port.port)] };
  const { peers, unready } = readyPeers(slices, port, "TCP");
  if (peers.length === 0)
    return none(`Service ${key} has no ready endpoints on port ${backend.port}${unready > 0 ? ` (${unready} not ready)` : ""}`);
  return { type: "peers", name, peers };
}

/** Where an ExternalName Service leads, or why nowhere. */
function externalPeer(key: string, { spec }: Service, port: number, allowed: boolean): Peer | string {
  if (!allowed) return `ExternalName Service ${key} is not allowed: --disable-svc-external-name`;
  const host = spec.externalName?.replace(/\.$/, "") ?? "";
  if (host === "") return `ExternalName Service ${key} names nothing`;
  // Other addresses of 127.0.0.0/8 are the cluster's here.
  if (["localhost", "127.0.0.1", "::1"].includes(host)) return `ExternalName Service ${key} names a loopback address`;
  if (canonicalIp(host) === undefined && !/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(host))
    return `ExternalName Service ${key}: ${host} is no DNS name`;
  return peer(host, port);
}

/** Endpoints of a Service's port, in order, and how many more are not ready. */
function readyPeers(
  slices: readonly EndpointSlice[],
  port: ServicePort,
  protocol: Protocol,
): { readonly peers: readonly Peer[]; readonly unready: number } {
  const peers = new Map<string, Peer>();
  let unready = 0;
  for (const slice of slices) {
    if (slice.addressType === "FQDN") continue;
    for (const targetPort of targetPorts(slice, port, protocol)) {
      for (const endpoint of slice.endpoints ?? []) {
        if (endpoint.conditions?.ready === false) {
          unready++;
          continue;
        }
        for (const address of endpoint.addresses) {
          const found = peer(address, targetPort);
          peers.set(found.id, found);
        }
      }
    }
  }
  return { peers: [...peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), unready };
}

const peer = (host: string, port: number): Peer => ({ id: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`, host, port });

/** A slice's ports that stand for the Service's: by name when it has one, else any; a number as targetPort stands in for what is missing. */
function targetPorts(slice: EndpointSlice, { name = "", port, targetPort = port }: ServicePort, wanted: Protocol): readonly number[] {
  const stated = typeof targetPort === "number" ? [targetPort] : [];
  const ports = (slice.ports ?? []).filter(({ protocol = "TCP" }) => protocol === wanted);
  if ((slice.ports ?? []).length === 0) return stated;
  return ports.flatMap((one) => ((name === "" || one.name === name) && one.port !== undefined ? [one.port] : stated));
}

/** By number, target port or name. */
function findPort(service: Service, wanted: string): ServicePort | undefined {
  return (
    service.spec.ports?.find(
      (port) =>
        String(port.port) === wanted ||
        String(port.targetPort ?? port.port) === wanted ||
        (port.name !== undefined && port.name === wanted),
    ) ?? (wanted === "" ? service.spec.ports?.[0] : undefined)
  );
}

/** controller.go externalNamePorts: where a port by name leads, and a number. 0: nowhere, for a connection that fails. */
function externalPortOf({ spec: { ports = [] } }: Service, wanted: string): number {
  if (/^\d+$/.test(wanted)) {
    const stated = ports.find(({ port }) => port === Number(wanted));
    return stated ? externalPort(stated) : Number(wanted);
  }
  const named = ports.find(({ name = "" }) => name === wanted);
  return named ? externalPort(named) || named.port : 0;
}

/** A name as target port is a container's, and here is none. */
function externalPort({ port, targetPort = port }: ServicePort): number {
  return typeof targetPort === "number" ? targetPort : 0;
}

function portsText(service: Service): string {
  return (
    (service.spec.ports ?? []).map((port) => (port.name === undefined ? String(port.port) : `${port.name} (${port.port})`)).join(", ") ||
    "none"
  );
}
