// The world that a container's program sees, made of its pod, its node and the fabric.
// Streams and files are made when first used: most of a thousand pods never need them.
import type { Server } from "node:net";
import { PassThrough, type Duplex, type Readable, type Writable } from "node:stream";
import type { Clock } from "../../model/clock.ts";
import { ipFamily } from "../../model/ip.ts";
import type { Container, Pod } from "../../model/kinds/core-v1.ts";
import type {
  Backend,
  ContainerContext,
  DatagramHandler,
  DatagramSocket,
  DialOptions,
  Peer,
  PodFiles,
  Protocol,
  Registration,
  ResolvConf,
  Resolve,
} from "../../model/ports.ts";
import type { Random } from "../../model/random.ts";
import type { Sandbox } from "../runtimes/runtime.ts";
import { ipsOf } from "./downward-api.ts";
import type { LogRing } from "./log-ring.ts";
import type { NodeServices } from "./node-services.ts";
import { ContainerFiles } from "./pod-files.ts";
import { hostsLookup, hostsText, podHostname, podResolvConf, resolvConfText } from "./pod-dns.ts";
import type { PodVolumes } from "./volumes.ts";
import { expand } from "./environment.ts";

/** The pod as its containers share it. */
export interface PodWorld {
  readonly services: NodeServices;
  readonly pod: () => Pod;
  readonly ip: string;
  readonly peer: Peer;
  readonly volumes: PodVolumes;
}

export interface SandboxOptions {
  readonly world: PodWorld;
  readonly container: Container;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly log: LogRing;
  readonly signal: AbortSignal;
  readonly kill: (signal: "SIGTERM" | "SIGKILL") => void;
}

export class ContainerSandbox implements Sandbox {
  readonly container: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly kill: (signal: "SIGTERM" | "SIGKILL") => void;
  readonly stdin?: Readable;
  /** The writing end of stdin, for attach. */
  readonly input?: Writable;
  readonly tty?: boolean;
  readonly #world: PodWorld;
  readonly #spec: Container;
  readonly #log: LogRing;
  readonly #registrations = new Set<Registration>();
  readonly #servers = new Set<Server>();
  #dialled: Set<Duplex> | undefined;
  #datagrams: Set<DatagramSocket> | undefined;
  #stdout: Writable | undefined;
  #stderr: Writable | undefined;
  #files: PodFiles | undefined;
  #closed = false;

  constructor(options: SandboxOptions) {
    this.#world = options.world;
    this.#spec = options.container;
    this.#log = options.log;
    this.container = options.container.name;
    this.argv = options.argv;
    this.env = options.env;
    this.signal = options.signal;
    this.kill = options.kill;
    if (options.container.stdin) {
      const pipe = new PassThrough();
      this.stdin = pipe;
      this.input = pipe;
    }
    if (options.container.tty) this.tty = true;
  }
  get pod(): Pod {
    return this.#world.pod();
  }
  get peer(): Peer {
    return this.#world.peer;
  }
  get hostname(): string {
    return this.pod.spec.hostNetwork ? this.#world.services.nodeName : podHostname(this.pod);
  }
  get clock(): Clock {
    return this.#world.services.clock;
  }
  get random(): Random {
    return this.#world.services.random.fork(`${this.pod.metadata.namespace}/${this.pod.metadata.name}/${this.container}`);
  }
  get resolve(): Resolve {
    return this.#world.services.resolve;
  }
  get resolvConf(): ResolvConf {
    return podResolvConf(this.pod, this.#world.services.dns, this.#world.services.nodeIp);
  }
  get ports(): ContainerContext["ports"] {
    return (this.#spec.ports ?? []).map(({ containerPort, protocol = "TCP", name }) => ({
      containerPort,
      protocol,
      ...(name === undefined ? {} : { name }),
    }));
  }
  get stdout(): Writable {
    return (this.#stdout ??= this.#log.writable("stdout"));
  }
  get stderr(): Writable {
    return (this.#stderr ??= this.#log.writable("stderr"));
  }
  get files(): PodFiles {
    return (this.#files ??= this.#makeFiles());
  }
  async listen(port: number, server: Server): Promise<Registration> {
    this.#servers.add(server);
    return this.expose(port, "TCP", { type: "server", server });
  }
  listenUdp(port: number, handler: DatagramHandler): Promise<Registration> {
    return this.expose(port, "UDP", { type: "datagram", handler });
  }
  async expose(port: number, protocol: Protocol, backend: Backend): Promise<Registration> {
    const { services, peer } = this.#world;
    const [ip = "", ...others] = ipsOf(peer);
    const first = await services.network.expose({ ip, port }, protocol, backend, peer);
    const listening = others.length === 0 ? first : await this.#alsoAt(others, port, protocol, backend, first);
    if (this.#closed) {
      await listening.close();
      throw Object.assign(new Error("the container has ended"), { code: "ECANCELED" });
    }
    this.#registrations.add(listening);
    return listening;
  }
  /** The same on the pod's addresses of other families; with one refused, none stays. */
  async #alsoAt(ips: readonly string[], port: number, protocol: Protocol, backend: Backend, first: Registration): Promise<Registration> {
    const { services, peer } = this.#world;
    const all = [first];
    const close = async (): Promise<void> => void (await Promise.all(all.map((each) => each.close())));
    try {
      for (const ip of ips) all.push(await services.network.expose({ ip, port }, protocol, backend, peer));
    } catch (error) {
      await close();
      throw error;
    }
    return { close, [Symbol.asyncDispose]: close };
  }
  async dial(host: string, port: number, options?: DialOptions): Promise<Duplex> {
    const addresses = await this.lookup(host);
    let failure: unknown;
    for (const address of addresses) {
      try {
        const loopback = address.startsWith("127.0.0.") || address === "::1";
        const connection = await this.#world.services.network.dial(this.peer, { ip: loopback ? this.#world.ip : address, port }, options);
        this.#dialled ??= new Set();
        this.#dialled.add(connection);
        connection.once("close", () => this.#dialled?.delete(connection));
        return connection;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }
  openDatagram(onMessage: Parameters<ContainerContext["openDatagram"]>[0]): DatagramSocket {
    const socket = this.#world.services.network.openDatagram(this.peer, onMessage);
    const datagrams = (this.#datagrams ??= new Set());
    datagrams.add(socket);
    const close = socket.close;
    socket.close = () => {
      datagrams.delete(socket);
      close.call(socket);
    };
    return socket;
  }
  async lookup(host: string): Promise<readonly string[]> {
    if (ipFamily(host)) return [host];
    const listed = hostsLookup(this.files.read("/etc/hosts") ?? "", host);
    if (listed.length > 0)
      return listed
        .filter((ip) => ipFamily(ip) === "IPv4")
        .concat(listed.filter((ip) => ipFamily(ip) === "IPv6"))
        .slice(0, 1);
    return this.resolve.lookup(this.peer, this.resolvConf, host);
  }
  /** The program has ended: its listeners close, and the sockets it held are destroyed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.input?.end();
    const closing = [...this.#registrations].map((registration) => registration.close());
    for (const server of this.#servers) if (hasConnections(server)) server.closeAllConnections();
    for (const connection of this.#dialled ?? []) connection.destroy();
    for (const socket of this.#datagrams ?? []) socket.close();
    this.#registrations.clear();
    await Promise.all(closing);
  }
  #makeFiles(): PodFiles {
    const { services, peer, volumes } = this.#world;
    const generated = {
      "/etc/hostname": () => `${this.hostname}\n`,
      "/etc/hosts": () => hostsText(this.pod, ipsOf(peer), services.dns.domain),
      "/etc/resolv.conf": () => resolvConfText(this.resolvConf),
    };
    return new ContainerFiles(volumes.mounts(this.#spec, generated, (text) => expand(text, (name) => this.env[name])));
  }
}

function hasConnections(server: Server): server is Server & { closeAllConnections(): void } {
  return "closeAllConnections" in server && typeof server.closeAllConnections === "function";
}
