// One EndpointSlice as the proxy reads it: for each of its ports the endpoints, sorted, each address once.
// Upstream: pkg/proxy/endpointslicecache.go addEndpoints.
import type { ObjectReference } from "../model/kinds/core-v1.ts";
import type { Endpoint, EndpointSlice } from "../model/kinds/discovery-v1.ts";
import { ipFamily, type IpFamily, legacyIp } from "../model/ip.ts";
import type { Protocol } from "../model/ports.ts";
import { hostPort, type ProxyEndpoint } from "./service-port.ts";

/** Endpoints sorted by `id`, no duplicates. */
export type SortedEndpoints = readonly ProxyEndpoint[];

/** What the endpoints of one port are found by. */
export function portKey(family: IpFamily, protocol: Protocol, portName: string): string {
  return `${family} ${protocol}/${portName}`;
}

/** A slice's endpoints by `portKey`. Addresses of another family than the slice's, and ports without a number, are left out. */
export function readSlice({ addressType, ports = [], endpoints = [] }: EndpointSlice): ReadonlyMap<string, SortedEndpoints> {
  const byPort = new Map<string, SortedEndpoints>();
  if (addressType !== "IPv4" && addressType !== "IPv6") return byPort;
  for (const { name = "", protocol = "TCP", port = 0 } of ports) {
    if (port === 0) continue;
    const read: ProxyEndpoint[] = [];
    for (const endpoint of endpoints) {
      const ip = legacyIp(endpoint.addresses[0] ?? "");
      if (ip && ipFamily(ip) === addressType) read.push(new SliceEndpoint(ip, port, endpoint));
    }
    byPort.set(portKey(addressType, protocol, name), sorted(read));
  }
  return byPort;
}

/** Of two entries of one address, the ready one counts, else the first. */
export const isBetter = (a: ProxyEndpoint, b: ProxyEndpoint): boolean => a.ready && !b.ready;

function sorted(read: ProxyEndpoint[]): SortedEndpoints {
  read.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : Number(b.ready) - Number(a.ready)));
  return read.some((endpoint, i) => endpoint.id === read[i - 1]?.id) ? read.filter(({ id }, i) => id !== read[i - 1]?.id) : read;
}

const NONE: readonly string[] = [];

/** There may be a hundred thousand: what only people read is put together when they do. */
class SliceEndpoint implements ProxyEndpoint {
  readonly id: string;
  readonly ip: string;
  readonly port: number;
  readonly node: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
  readonly #target: ObjectReference | undefined;

  constructor(ip: string, port: number, { conditions, nodeName = "", hints, targetRef }: Endpoint) {
    this.id = hostPort(ip, port);
    this.ip = ip;
    this.port = port;
    this.node = nodeName;
    this.ready = conditions?.ready ?? true;
    this.serving = conditions?.serving ?? true;
    this.terminating = conditions?.terminating ?? false;
    this.zoneHints = hints?.forZones?.map((zone) => zone.name) ?? NONE;
    this.nodeHints = hints?.forNodes?.map((node) => node.name) ?? NONE;
    this.#target = targetRef?.kind === "Pod" ? targetRef : undefined;
  }
  get pod(): string {
    return this.#target ? `${this.#target.namespace ?? ""}/${this.#target.name ?? ""}` : "";
  }
}
