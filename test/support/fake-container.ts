// A container in memory for tests: an own little network of addresses and names, files, log and clock; no kubelet, no fabric.
import type { Server as NetServer } from "node:net";
import { PassThrough, Writable, type Duplex } from "node:stream";
import { realClock, type Clock } from "../../model/clock.ts";
import { ipFamily } from "../../model/ip.ts";
import type {
  ContainerContext,
  DatagramHandler,
  DatagramSocket,
  DialOptions,
  DnsRecord,
  DnsStep,
  PodFiles,
  Registration,
  SocketAddress,
} from "../../model/ports.ts";
import { seededRandom } from "../../model/random.ts";
import { createDuplexPair } from "../../netsim/index.ts";
import { programTable, runTool, tools, type Tool } from "../../workloads/tools/index.ts";

function errno(code: string, message = code): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}

/** Addresses, the servers behind them, and the names that DNS knows. */
export class FakeNetwork {
  readonly names = new Map<string, readonly DnsRecord[]>();
  readonly silent = new Set<string>();
  readonly #tcp = new Map<string, NetServer>();
  readonly #udp = new Map<string, DatagramHandler>();
  #port = 40000;

  addName(name: string, ...ips: readonly string[]): void {
    this.names.set(
      name,
      ips.map((data) => ({ name: `${name}.`, type: "A", ttl: 5, data })),
    );
  }
  listen(address: SocketAddress, server: NetServer): Registration {
    const key = `${address.ip}:${address.port}`;
    if (this.#tcp.has(key)) throw errno("EADDRINUSE");
    this.#tcp.set(key, server);
    const close = async (): Promise<void> => void this.#tcp.delete(key);
    return { close, [Symbol.asyncDispose]: close };
  }
  listenUdp(address: SocketAddress, handler: DatagramHandler): Registration {
    const key = `${address.ip}:${address.port}`;
    this.#udp.set(key, handler);
    const close = async (): Promise<void> => void this.#udp.delete(key);
    return { close, [Symbol.asyncDispose]: close };
  }
  listens(address: SocketAddress): boolean {
    return this.#tcp.has(`${address.ip}:${address.port}`);
  }
  async dial(clock: Clock, from: string, to: SocketAddress, options: DialOptions = {}): Promise<Duplex> {
    if (this.silent.has(to.ip)) {
      await new Promise<void>((resolve, reject) => {
        const timer = clock.after(options.timeoutMs ?? 127_000, () => reject(errno("ETIMEDOUT")));
        options.signal?.addEventListener("abort", () => (timer.cancel(), resolve()), { once: true });
      });
    }
    options.signal?.throwIfAborted();
    const server = this.#tcp.get(`${to.ip}:${to.port}`);
    if (!server) throw errno("ECONNREFUSED", `connect ECONNREFUSED ${to.ip}:${to.port}`);
    const source = { ip: from, port: ++this.#port };
    const [near, far] = createDuplexPair(
      clock,
      { local: source, remote: to, allowHalfOpen: true },
      { local: to, remote: source, allowHalfOpen: true },
    );
    near.on("error", () => {});
    server.emit("connection", far);
    return near;
  }
  openDatagram(from: string, onMessage: (message: Uint8Array, source: SocketAddress) => void): DatagramSocket {
    const local = { ip: from, port: ++this.#port };
    const socket: DatagramSocket = {
      local,
      send: (message, to) => {
        const handler = this.#udp.get(`${to.ip}:${to.port}`);
        if (handler) setImmediate(() => handler(message, local, (answer) => setImmediate(() => onMessage(answer, to))));
        else if (!this.silent.has(to.ip)) setImmediate(() => socket.onError?.(errno("ECONNREFUSED")));
      },
      close: () => {},
    };
    return socket;
  }
}

export class MapFiles implements PodFiles {
  readonly #texts = new Map<string, string | (() => string)>();
  read(path: string): string | undefined {
    const text = this.#texts.get(path.length > 1 ? path.replace(/\/$/, "") : path);
    return typeof text === "function" ? text() : text;
  }
  write(path: string, text: string): void {
    this.#texts.set(path, text);
  }
  generate(path: string, text: () => string): void {
    this.#texts.set(path, text);
  }
  remove(path: string): boolean {
    const plain = path.replace(/\/$/, "");
    return (
      [...this.#texts.keys()].filter((key) => key === plain || key.startsWith(`${plain}/`)).map((key) => this.#texts.delete(key)).length > 0
    );
  }
  list(path: string): readonly string[] {
    const prefix = path === "/" ? "/" : `${path}/`;
    const found = new Set<string>();
    for (const key of this.#texts.keys()) {
      if (!key.startsWith(prefix) || key === prefix) continue;
      const rest = key.slice(prefix.length);
      const slash = rest.indexOf("/");
      found.add(`${prefix}${slash < 0 ? rest : rest.slice(0, slash + 1)}`);
    }
    return [...found].sort();
  }
}

/** Collects what is written. */
export class Collected extends Writable {
  text = "";
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.text += chunk.toString();
    this.emit("collected");
    callback();
  }
  /** Resolves when the text matches. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text)) await new Promise((resolve) => this.once("collected", resolve));
    return this.text;
  }
}

export interface FakeOptions {
  readonly network?: FakeNetwork;
  readonly name?: string;
  readonly ip?: string;
  readonly image?: string;
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  readonly files?: Readonly<Record<string, string>>;
  readonly mounts?: readonly string[];
}

export interface FakeContainer {
  readonly context: ContainerContext;
  readonly network: FakeNetwork;
  readonly log: Collected;
  /** SIGTERM. */
  terminate(): void;
  /** Runs a program in it to its end. */
  run(
    argv: readonly string[],
    stdin?: string,
    extra?: ReadonlyMap<string, Tool>,
  ): Promise<{ readonly code: number; readonly out: string; readonly err: string }>;
  sh(script: string, stdin?: string): Promise<{ readonly code: number; readonly out: string; readonly err: string }>;
}

export function fakeContainer(options: FakeOptions = {}): FakeContainer {
  const network = options.network ?? new FakeNetwork();
  const clock = options.clock ?? realClock;
  const ip = options.ip ?? "127.244.1.5";
  const name = options.name ?? "client";
  const stop = new AbortController();
  const log = new Collected();
  const files = new MapFiles();
  const nameserver = "127.96.0.10";
  const searches = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"];
  files.write("/etc/resolv.conf", `search ${searches.join(" ")}\nnameserver ${nameserver}\noptions ndots:5\n`);
  files.write("/etc/hosts", `127.0.0.1\tlocalhost\n${ip}\t${name}\n`);
  files.write("/etc/hostname", `${name}\n`);
  for (const mount of options.mounts ?? []) files.write(`${mount}/`, "");
  for (const [path, text] of Object.entries(options.files ?? {})) files.write(path, text);
  const query = async (
    asked: string,
    type: string,
    search: boolean,
    server: SocketAddress | undefined,
    tcp: boolean,
  ): Promise<DnsStep[]> => {
    const candidates = !search || asked.endsWith(".") ? [asked] : [...searches.map((suffix) => `${asked}.${suffix}`), asked];
    const steps: DnsStep[] = [];
    for (const candidate of candidates) {
      const records = network.names.get(candidate.replace(/\.$/, ""));
      const answers = records?.filter((record) => record.type === type) ?? [];
      steps.push({
        name: candidate,
        type,
        rcode: records ? "NOERROR" : "NXDOMAIN",
        server: server?.ip ?? nameserver,
        answers,
        authorities:
          answers.length > 0
            ? []
            : [
                {
                  name: "cluster.local.",
                  type: "SOA",
                  ttl: 5,
                  data: "ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5",
                },
              ],
        additionals: [],
        flags: ["qr", "aa", "rd"],
        durationMs: 1,
        sizeBytes: 105,
        tcp,
        id: 4242,
      });
      if (answers.length > 0) break;
    }
    const found = steps.find((step) => step.answers.length > 0) ?? steps.find((step) => step.rcode === "NOERROR");
    return found && found !== steps.at(-1) ? [...steps.filter((step) => step !== found), found] : steps;
  };
  const lookup = async (host: string): Promise<readonly string[]> => {
    if (ipFamily(host)) return [host];
    if (host === "localhost") return ["127.0.0.1"];
    if (host === name) return [ip];
    const answers = (await query(host, "A", true, undefined, false)).at(-1)?.answers ?? [];
    if (answers.length === 0) throw errno("ENOTFOUND", `getaddrinfo ENOTFOUND ${host}`);
    return answers.map(({ data }) => data);
  };
  const own = (host: string): string => (host === "127.0.0.1" ? ip : host);
  const container = {
    name: "main",
    image: options.image ?? "busybox",
    volumeMounts: (options.mounts ?? []).map((mountPath) => ({ name: "v", mountPath })),
  };
  const context: ContainerContext = {
    pod: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default" },
      spec: { containers: [container] },
      status: { podIP: ip, podIPs: [{ ip }] },
    },
    container: "main",
    peer: { kind: "pod", namespace: "default", name, ip, node: "node-1" },
    hostname: name,
    argv: options.argv ?? [],
    env: options.env ?? {},
    ports: [],
    files,
    listen: async (port, server) => network.listen({ ip, port }, server),
    listenUdp: async (port, handler) => network.listenUdp({ ip, port }, handler),
    dial: async (host, port, dialOptions) => network.dial(clock, ip, { ip: own((await lookup(host))[0] ?? host), port }, dialOptions),
    openDatagram: (onMessage) => network.openDatagram(ip, onMessage),
    lookup,
    resolve: {
      query: (_from, _conf, asked, type, how) => query(asked, type, how?.search ?? true, how?.server, how?.tcp ?? false),
      lookup: (_from, _conf, host) => lookup(host),
    },
    resolvConf: { nameservers: [nameserver], searches, options: ["ndots:5"] },
    clock,
    random: seededRandom(1),
    kill: () => stop.abort(),
    stdout: log,
    stderr: log,
    signal: stop.signal,
  };
  const run: FakeContainer["run"] = async (argv, stdin, extra) => {
    const out = new Collected();
    const err = new Collected();
    const input = new PassThrough();
    input.end(stdin ?? "");
    const programs = new Map([...programTable(tools), ...(extra ?? [])]);
    const code = await runTool(
      argv,
      context,
      { ...(stdin === undefined ? {} : { stdin: input }), stdout: out, stderr: err, tty: false, signal: stop.signal },
      programs,
    );
    return { code, out: out.text, err: err.text };
  };
  return { context, network, log, terminate: () => stop.abort(), run, sh: (script, stdin) => run(["sh", "-c", script], stdin) };
}
