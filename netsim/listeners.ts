// The listeners that are open: cluster address → real socket address, and all of them to close at the end.
import type { Listening, Protocol, SocketAddress } from "../model/ports.ts";
import { addressError } from "./errno.ts";
import type { OpenListener } from "./listen.ts";

export class Listeners {
  readonly #byAddress = new Map<string, Listening | undefined>();
  readonly #all = new Set<Listening>();

  get size(): number {
    return this.#all.size;
  }
  find(address: SocketAddress, protocol: Protocol): Listening | undefined {
    return this.#byAddress.get(keyOf(address, protocol));
  }
  /** Opens a listener for a cluster address; rejects with EADDRINUSE when it has one. `onClose` runs once, when closing begins. */
  async add(address: SocketAddress, protocol: Protocol, onClose: () => void, open: () => Promise<OpenListener>): Promise<Listening> {
    const key = keyOf(address, protocol);
    if (this.#byAddress.has(key)) throw addressError("listen", "EADDRINUSE", address);
    this.#byAddress.set(key, undefined);
    try {
      const listener = await open();
      const listening = this.#track(address, listener, () => {
        onClose();
        this.#byAddress.delete(key);
      });
      this.#byAddress.set(key, listening);
      return listening;
    } catch (error) {
      this.#byAddress.delete(key);
      throw error;
    }
  }
  /** Opens a listener that is no cluster address; it may end up on another port. */
  async addHost(host: SocketAddress, open: () => Promise<OpenListener>, onClose: () => void = () => {}): Promise<Listening> {
    const listener = await open();
    return this.#track({ ip: host.ip, port: listener.socket.port }, listener, onClose);
  }
  async closeAll(): Promise<void> {
    await Promise.all([...this.#all].map((listening) => listening.close()));
  }
  #track(address: SocketAddress, listener: OpenListener, onClose: () => void): Listening {
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      if (!closing) {
        closing = listener.close();
        this.#all.delete(listening);
        onClose();
      }
      return closing;
    };
    const listening: Listening = { address, socket: listener.socket, close, [Symbol.asyncDispose]: close };
    this.#all.add(listening);
    return listening;
  }
}

const keyOf = ({ ip, port }: SocketAddress, protocol: Protocol): string => `${protocol} ${ip}:${port}`;
