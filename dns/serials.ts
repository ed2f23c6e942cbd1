// SOA serials: when the records of each kind of zone changed last. A change that no record shows leaves them be.
// Upstream: detectChanges in CoreDNS plugin/kubernetes/controller.go.
import type { ServiceTable, SliceTable, TablePort } from "./service-table.ts";

/** A table before and after. */
export interface Replaced<T> {
  readonly old: T | undefined;
  readonly table: T | undefined;
}

/** The options of a `kubernetes` stanza that decide which changes its records show. */
interface Shown {
  readonly pods: string;
  readonly zonal: boolean;
}

/** Unix seconds of the last change, by what it was seen in. */
export class Serials {
  #records: number;
  #external: number;
  #imported: number;
  /** Seen by `pods verified` alone. */
  #pods: number;
  /** Seen by `zonal` alone. */
  #zonal: number;

  constructor(seconds: number) {
    this.#records = this.#external = this.#imported = this.#pods = this.#zonal = seconds;
  }

  /** Of a cluster zone under these options. */
  of(options: Shown, multicluster: boolean): number {
    if (multicluster) return this.#imported;
    return Math.max(this.#records, options.pods === "verified" ? this.#pods : 0, options.zonal ? this.#zonal : 0);
  }
  /** Of the zones of k8s_external. */
  get external(): number {
    return this.#external;
  }

  service({ old, table }: Replaced<ServiceTable>, seconds: number): void {
    const ports = !samePorts(old?.ports, table?.ports);
    if (ports || old?.externalName !== table?.externalName) this.#records = seconds;
    if ((ports && old && table) || String(old?.externalIPs ?? []) !== String(table?.externalIPs ?? [])) this.#external = seconds;
  }
  import({ old, table }: Replaced<ServiceTable>, seconds: number): void {
    if (old?.kind !== table?.kind || !samePorts(old?.ports, table?.ports)) this.#imported = seconds;
  }
  slice({ old, table }: Replaced<SliceTable>, seconds: number): void {
    if (!sameEndpoints(old, table)) this.#records = seconds;
    if (old?.endpoints.some(({ zone }, index) => zone !== table?.endpoints[index]?.zone)) this.#zonal = seconds;
  }
  importedSlice({ old, table }: Replaced<SliceTable>, seconds: number): void {
    if (!sameEndpoints(old, table) || old?.cluster !== table?.cluster) this.#imported = seconds;
  }
  pod(seconds: number): void {
    this.#pods = seconds;
  }
}

function samePorts(old: readonly TablePort[] | undefined, ports: readonly TablePort[] | undefined): boolean {
  if (!old || !ports || old.length !== ports.length) return false;
  return old.every(({ name, protocol, port }, index) => {
    const other = ports[index];
    return other !== undefined && name === other.name && protocol === other.protocol && port === other.port;
  });
}

function sameEndpoints(old: SliceTable | undefined, table: SliceTable | undefined): boolean {
  if (old === table) return true;
  if (!old || !table || old.service !== table.service || old.endpoints.length !== table.endpoints.length) return false;
  const same = old.endpoints.every(({ ip, hostname }, index) => {
    const other = table.endpoints[index];
    return other !== undefined && ip === other.ip && hostname === other.hostname;
  });
  return same && samePorts(old.ports, table.ports);
}
