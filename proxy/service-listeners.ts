// Which addresses and ports must be listened on so that clients outside can connect, and the real listeners behind them.
// One exists while some node's rules would take or drop a flow there; with none it is closed, and clients see a true ECONNREFUSED.
// Upstream has no counterpart: there, the kernel answers for every address.
import { type Clock, nextTurn, type Timer } from "../model/clock.ts";
import type { Listening, Protocol, SocketAddress } from "../model/ports.ts";
import type { ProxyConfig } from "./proxy-config.ts";
import { hasNodePorts } from "./node-port-addresses.ts";
import type { NodeViews } from "./node-views.ts";
import type { Rule } from "./rules.ts";
import { hostPort } from "./service-port.ts";

/** An address to listen on. */
export interface Wanted extends SocketAddress {
  readonly protocol: Protocol;
}

export const wantedKey = ({ ip, port, protocol }: Wanted): string => `${hostPort(ip, port)}/${protocol}`;

/** The addresses that one Service must be listened on. SCTP is not carried. */
export function listenersOf(rules: readonly Rule[], nodes: NodeViews, configOf: (node: string) => ProxyConfig): readonly Wanted[] {
  const wanted: Wanted[] = [];
  for (const { destination, port, ip: captured, portNumber } of rules) {
    const { protocol } = port;
    if (!port.usable || protocol === "SCTP") continue;
    if (destination !== "NodePort") wanted.push({ ip: captured, port: portNumber, protocol });
    else {
      for (const { ip, node } of nodes.addresses(port.family)) {
        if (hasNodePorts(ip, node, configOf(node.name))) wanted.push({ ip, port: portNumber, protocol });
      }
    }
  }
  return wanted;
}

export interface ListenerEvents {
  /** Opened; `listening.socket` may differ from what was asked. */
  opened(wanted: Wanted, services: readonly string[], listening: Listening): void;
  failed(wanted: Wanted, services: readonly string[], error: Error): void;
}

interface Slot {
  readonly wanted: Wanted;
  readonly services: Set<string>;
  listening: Listening | undefined;
  error: string;
}

const RETRY_MS = 1000;
/** Listeners opened or closed together. */
const AT_ONCE = 256;

/** Holds the listeners of all Services; each address is opened once, however many want it. */
export class ServiceListeners {
  readonly #open: (address: SocketAddress, protocol: Protocol) => Promise<Listening>;
  readonly #clock: Clock;
  readonly #events: ListenerEvents;
  readonly #slots = new Map<string, Slot>();
  readonly #byService = new Map<string, ReadonlySet<string>>();
  readonly #touched = new Set<Slot>();
  #settling: Promise<void> | undefined;
  #retry: Timer | undefined;
  #stopped = false;

  constructor(options: {
    readonly open: (address: SocketAddress, protocol: Protocol) => Promise<Listening>;
    readonly clock: Clock;
    readonly events: ListenerEvents;
  }) {
    this.#open = options.open;
    this.#clock = options.clock;
    this.#events = options.events;
  }
  /** Sets what a Service wants; `settle` then makes it so. */
  want(service: string, wanted: readonly Wanted[]): void {
    const before = this.#byService.get(service) ?? new Set<string>();
    const now = new Set<string>();
    for (const address of wanted) {
      const key = wantedKey(address);
      now.add(key);
      if (before.has(key)) continue;
      let slot = this.#slots.get(key);
      if (!slot) this.#slots.set(key, (slot = { wanted: address, services: new Set(), listening: undefined, error: "" }));
      slot.services.add(service);
      this.#touched.add(slot);
    }
    for (const key of before) {
      const slot = this.#slots.get(key);
      if (now.has(key) || !slot) continue;
      slot.services.delete(service);
      this.#touched.add(slot);
    }
    if (now.size > 0) this.#byService.set(service, now);
    else this.#byService.delete(service);
  }
  /** Opens and closes until the listeners are as wanted; those that fail are tried again later. */
  async settle(): Promise<void> {
    while (this.#settling) await this.#settling;
    if (this.#touched.size === 0) return;
    const slots = [...this.#touched];
    this.#touched.clear();
    this.#settling = this.#apply(slots).finally(() => void (this.#settling = undefined));
    await this.#settling;
  }
  /** Closing first: an address may move from one Service to another. */
  async #apply(slots: readonly Slot[]): Promise<void> {
    for (let i = 0; i < slots.length; i += AT_ONCE) {
      await Promise.all(slots.slice(i, i + AT_ONCE).map((slot) => this.#close(slot)));
    }
    for (let i = 0; i < slots.length; i += AT_ONCE) {
      await Promise.all(slots.slice(i, i + AT_ONCE).map((slot) => this.#listen(slot)));
      if (slots.length > AT_ONCE) await nextTurn();
    }
  }
  get openCount(): number {
    let count = 0;
    for (const slot of this.#slots.values()) if (slot.listening) count++;
    return count;
  }
  /** Addresses that could not be opened, with the reason. */
  failures(): readonly { readonly address: string; readonly error: string }[] {
    return [...this.#slots].flatMap(([address, slot]) => (slot.error === "" ? [] : [{ address, error: slot.error }]));
  }
  /** The real socket of a wanted address. */
  socketOf(wanted: Wanted): SocketAddress | undefined {
    return this.#slots.get(wantedKey(wanted))?.listening?.socket;
  }
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    for (const slot of this.#slots.values()) {
      slot.services.clear();
      this.#touched.add(slot);
    }
    await this.settle();
  }
  async #close(slot: Slot): Promise<void> {
    if (slot.services.size > 0) return;
    this.#slots.delete(wantedKey(slot.wanted));
    await slot.listening?.close();
    slot.listening = undefined;
  }
  async #listen(slot: Slot): Promise<void> {
    if (slot.services.size === 0 || slot.listening) return;
    try {
      slot.listening = await this.#open(slot.wanted, slot.wanted.protocol);
      slot.error = "";
      this.#events.opened(slot.wanted, [...slot.services], slot.listening);
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      if (slot.error === "") this.#events.failed(slot.wanted, [...slot.services], failure);
      slot.error = failure.message;
      this.#retryLater();
    }
  }
  #retryLater(): void {
    if (this.#stopped) return;
    this.#retry ??= this.#clock.after(
      RETRY_MS,
      () => {
        this.#retry = undefined;
        for (const slot of this.#slots.values()) if (slot.error !== "") this.#touched.add(slot);
        void this.settle();
      },
      { background: true },
    );
  }
}
