// Allocates ClusterIPs, NodePorts and health check ports inside the write, so that a create already answers with them.
// Upstream: pkg/registry/core/service/storage/alloc.go. What a Service holds is read back from the store after each commit.
import { invalid, StatusError, type FieldError } from "../model/errors.ts";
import { canonicalIp, ipFamily, type IpFamily } from "../model/ip.ts";
import type { Service } from "../model/kinds/core-v1.ts";
import type { IPAddress } from "../model/kinds/networking-v1.ts";
import { type Draft, objectKey } from "../model/object.ts";
import type { Random } from "../model/random.ts";
import { IPAddresses, Services } from "../model/resources.ts";
import type { Admission, Reader } from "../store/contract.ts";
import { initIpFamilies } from "./ip-families.ts";
import { IP_ADDRESS_MANAGED_BY, IP_ALLOCATOR } from "./ip-address-controller.ts";
import { IpAllocator } from "./ip-allocator.ts";
import { PortAllocator } from "./port-allocator.ts";
import {
  allocatesNodePorts,
  heldClusterIPs,
  heldNodePorts,
  isHeadless,
  needsClusterIP,
  needsHealthCheckNodePort,
  needsNodePorts,
} from "./service-fields.ts";

export interface AllocationOptions {
  /** One block, or one of each family for dual-stack; the first family is the default. */
  readonly serviceCIDRs: readonly string[];
  /** Default 30000-32767. */
  readonly nodePortRange?: { readonly first: number; readonly last: number };
  readonly random: Random;
}

type ServiceDraft = Draft<Service>;
type Held = { readonly ips: readonly string[]; readonly ports: readonly number[] };

export function serviceAllocation(options: AllocationOptions): Admission {
  const allocators = new Allocators(options);
  return {
    name: "ServiceAllocation",
    types: [Services],
    admit({ operation, object, old, subresource }, tx) {
      allocators.load(tx);
      const service = object as ServiceDraft;
      const { namespace = "", name } = service.metadata;
      tx.onCommit(() => allocators.sync(tx, namespace, name));
      if (operation === "DELETE" || subresource !== undefined) return;
      allocators.allocate(service, old as Service | undefined, tx);
    },
  };
}

class Allocators {
  readonly #ips: ReadonlyMap<IpFamily, IpAllocator>;
  readonly #ports: PortAllocator;
  readonly #held = new Map<string, Held>();
  #loaded = false;

  constructor({ serviceCIDRs, nodePortRange = { first: 30_000, last: 32_767 }, random }: AllocationOptions) {
    const blocks = serviceCIDRs.map((cidr) => new IpAllocator(cidr, random.fork(`cluster-ips ${cidr}`)));
    this.#ips = new Map(blocks.map((block) => [block.family, block]));
    this.#ports = new PortAllocator(nodePortRange, random.fork("node-ports"));
  }
  /** Reads what every Service holds, once. */
  load(reader: Reader): void {
    if (this.#loaded) return;
    this.#loaded = true;
    for (const service of reader.list(Services)) this.sync(reader, service.metadata.namespace ?? "", service.metadata.name);
  }
  /** Brings the books in line with the stored Service, which may be gone. */
  sync(reader: Reader, namespace: string, name: string): void {
    const key = objectKey(namespace, name);
    const before = this.#held.get(key);
    const service = reader.get(Services, namespace, name);
    const now: Held = service ? { ips: heldClusterIPs(service), ports: heldNodePorts(service) } : { ips: [], ports: [] };
    for (const ip of before?.ips ?? []) this.#blockOf(ip)?.release(ip, key);
    for (const port of before?.ports ?? []) this.#ports.release(port, key);
    for (const ip of now.ips) this.#blockOf(ip)?.take(ip, key);
    for (const port of now.ports) this.#ports.take(port, key);
    if (now.ips.length + now.ports.length > 0) this.#held.set(key, now);
    else this.#held.delete(key);
  }
  allocate(service: ServiceDraft, old: Service | undefined, reader: Reader): void {
    const families = [...this.#ips.keys()];
    initIpFamilies(service, old, families);
    this.#allocateClusterIPs(service, reader);
    this.#allocatePorts(service, old);
  }
  #blockOf(ip: string): IpAllocator | undefined {
    const family = ipFamily(ip);
    return family && this.#ips.get(family);
  }
  /** Addresses with an IPAddress of somebody else are taken, though no Service holds them. */
  #allocateClusterIPs(service: ServiceDraft, reader: Reader): void {
    const { spec } = service;
    if (!spec || !needsClusterIP(service) || isHeadless(service)) return;
    const key = objectKey(service.metadata.namespace ?? "", service.metadata.name);
    const clusterIPs = [...(spec.clusterIPs ?? [])];
    (spec.ipFamilies ?? []).forEach((family, i) => {
      const block = this.#ips.get(family as IpFamily);
      if (!block) return;
      const wanted = clusterIPs[i];
      if (!wanted) {
        const ip = block.next((candidate) => reservedBy(reader.get(IPAddresses, "", candidate)) !== undefined);
        if (!ip) throw internal("failed to allocate a serviceIP: range is full");
        clusterIPs[i] = ip;
        return;
      }
      const ip = canonicalIp(wanted) ?? wanted;
      const holder = block.holder(ip) ?? reservedBy(reader.get(IPAddresses, "", ip));
      const refusal = !block.has(ip)
        ? outOfRange(block, ip)
        : holder !== undefined && holder !== key
          ? "provided IP is already allocated"
          : "";
      if (refusal !== "") {
        throw refuse(service, {
          type: "Invalid",
          field: "spec.clusterIPs",
          value: clusterIPs,
          detail: `failed to allocate IP ${wanted}: ${refusal}`,
        });
      }
    });
    spec.clusterIPs = clusterIPs;
    const [primary] = clusterIPs;
    if (primary) spec.clusterIP = primary;
  }
  #allocatePorts(service: ServiceDraft, old: Service | undefined): void {
    const claims = new PortClaims(this.#ports, service, objectKey(service.metadata.namespace ?? "", service.metadata.name));
    if (needsNodePorts(service)) {
      if (old) claims.update(heldNodePorts(old));
      else claims.create();
    }
    const { spec } = service;
    if (!spec || !needsHealthCheckNodePort(service)) return;
    const before = old && needsHealthCheckNodePort(old) ? old.spec?.healthCheckNodePort : undefined;
    if (before === undefined) spec.healthCheckNodePort = claims.healthCheck(spec.healthCheckNodePort);
    else if (spec.healthCheckNodePort !== before) {
      const detail = "cannot change healthCheckNodePort on loadBalancer service with externalTraffic=Local during update";
      throw refuse(service, { type: "Invalid", field: "spec.healthCheckNodePort", value: spec.healthCheckNodePort ?? 0, detail });
    }
  }
}

/** The NodePorts that one write asks for. */
class PortClaims {
  readonly #ports: PortAllocator;
  readonly #service: ServiceDraft;
  readonly #key: string;
  readonly #mine = new Set<number>();

  constructor(ports: PortAllocator, service: ServiceDraft, key: string) {
    this.#ports = ports;
    this.#service = service;
    this.#key = key;
  }
  /** One number serves all protocols of a port, as for TCP and UDP 53: the first that is asked for. */
  create(): void {
    const byPort = new Map<number, number>();
    const ports = this.#service.spec?.ports ?? [];
    for (const [i, port] of ports.entries()) {
      if (!port.nodePort && !allocatesNodePorts(this.#service)) continue;
      const shared = byPort.get(port.port);
      if (shared !== undefined) {
        if (!port.nodePort) port.nodePort = shared;
        else if (port.nodePort !== shared) this.#claim(i, port.nodePort);
        continue;
      }
      const asked = ports.find((other) => other.port === port.port && other.nodePort)?.nodePort;
      if (asked) this.#claim(i, asked);
      const number = asked ?? this.#next("nodePort");
      port.nodePort = number;
      byPort.set(port.port, number);
    }
  }
  /** Each new port gets a number of its own; those that the Service had before are not claimed again. */
  update(held: readonly number[]): void {
    for (const [i, port] of (this.#service.spec?.ports ?? []).entries()) {
      if (!port.nodePort) {
        if (allocatesNodePorts(this.#service)) port.nodePort = this.#next("nodePort");
      } else if (!held.includes(port.nodePort) && !this.#mine.has(port.nodePort)) this.#claim(i, port.nodePort);
    }
  }
  healthCheck(asked: number | undefined): number {
    if (!asked) return this.#next("HealthCheck NodePort 0");
    const refusal = this.#refusal(asked);
    if (refusal !== "") throw internal(`failed to allocate requested HealthCheck NodePort ${asked}: ${refusal}`);
    this.#mine.add(asked);
    return asked;
  }
  #claim(index: number, port: number): void {
    const detail = this.#refusal(port);
    if (detail !== "") throw refuse(this.#service, { type: "Invalid", field: `spec.ports[${index}].nodePort`, value: port, detail });
    this.#mine.add(port);
  }
  #refusal(port: number): string {
    if (!this.#ports.has(port))
      return `provided port is not in the valid range. The range of valid ports is ${this.#ports.first}-${this.#ports.last}`;
    const holder = this.#ports.holder(port);
    return (holder !== undefined && holder !== this.#key) || this.#mine.has(port) ? "provided port is already allocated" : "";
  }
  #next(what: string): number {
    const port = this.#ports.next(this.#mine);
    if (port === undefined) throw internal(`failed to allocate a ${what}: range is full`);
    this.#mine.add(port);
    return port;
  }
}

/** The holder that a hand-made IPAddress names: a Service's key, or what else it is for. Those kept by this cluster follow their Services. */
function reservedBy(object: IPAddress | undefined): string | undefined {
  if (!object || object.metadata.labels?.[IP_ADDRESS_MANAGED_BY] === IP_ALLOCATOR) return undefined;
  const { resource = "", namespace = "", name = "" } = object.spec.parentRef ?? {};
  return resource === "services" ? objectKey(namespace, name) : `${resource} ${objectKey(namespace, name)}`;
}

function outOfRange(block: IpAllocator, ip: string): string {
  return block.cidr.contains(ip) ? `provided IP ${ip} is not in the valid range` : "the provided network does not match the current range";
}

const refuse = (service: ServiceDraft, error: FieldError): StatusError => invalid(Services, service.metadata.name, [error]);
const internal = (detail: string): StatusError => new StatusError(500, "InternalError", `Internal error occurred: ${detail}`);
