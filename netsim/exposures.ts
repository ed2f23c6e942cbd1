// What is reachable on the fabric: address and port → backend and owner. The endpoint side of every verdict.
import type { Backend, Peer, Protocol, SocketAddress } from "../model/ports.ts";
import { addressError } from "./errno.ts";
import type { SocketName } from "./hand-over.ts";

/** One backend at one cluster address. */
export interface Exposure {
  readonly address: SocketAddress;
  readonly protocol: Protocol;
  readonly backend: Backend;
  readonly owner: Peer;
  /** `address` as its sockets show it. */
  readonly name: SocketName;
}

/** By address, then by port: no key is made for a flow. */
type Table = Map<string, Map<number, Exposure>>;

export class Exposures {
  readonly #tcp: Table = new Map();
  readonly #udp: Table = new Map();
  #size = 0;
  readonly #owners = new Map<string, { readonly peer: Peer; count: number }>();

  get size(): number {
    return this.#size;
  }
  find(protocol: Protocol, ip: string, port: number): Exposure | undefined {
    return this.#table(protocol).get(ip)?.get(port);
  }
  /** Throws EADDRINUSE when the address and port are taken. */
  add(exposure: Exposure): void {
    const { address, protocol, owner } = exposure;
    const table = this.#table(protocol);
    const ports = table.get(address.ip) ?? new Map<number, Exposure>();
    if (ports.has(address.port)) throw addressError("listen", "EADDRINUSE", address);
    table.set(address.ip, ports.set(address.port, exposure));
    this.#size++;
    const known = this.#owners.get(address.ip);
    if (known) known.count++;
    else this.#owners.set(address.ip, { peer: owner, count: 1 });
  }
  remove(exposure: Exposure): void {
    const { address, protocol } = exposure;
    const table = this.#table(protocol);
    const ports = table.get(address.ip);
    if (ports?.get(address.port) !== exposure) return;
    ports.delete(address.port);
    if (ports.size === 0) table.delete(address.ip);
    this.#size--;
    const known = this.#owners.get(address.ip);
    if (known && --known.count === 0) this.#owners.delete(address.ip);
  }
  /** Who owns an address on which something is exposed. */
  ownerOf(ip: string): Peer | undefined {
    return this.#owners.get(ip)?.peer;
  }
  #table(protocol: Protocol): Table {
    return protocol === "UDP" ? this.#udp : this.#tcp;
  }
}
