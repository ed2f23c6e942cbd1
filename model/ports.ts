// The small interfaces through which features reach each other at run time; cluster/ fills them.
// Features never import each other: what one needs of another stands here.
import type { Duplex, Readable, Writable } from "node:stream";
import type { Server as NetServer } from "node:net";
import type { Clock } from "./clock.ts";
import type { Pod } from "./kinds/core-v1.ts";
import type { JsonObject } from "./object.ts";
import type { Random } from "./random.ts";

export type Protocol = "TCP" | "UDP" | "SCTP";

export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/**
 * Who is at the client end of a flow. The host is any program on the machine that is neither pod nor node. `ips`: every address of a
 * dual-stack peer, the first family first; absent where `ip` is the only one.
 */
export type Peer =
  | {
      readonly kind: "pod";
      readonly namespace: string;
      readonly name: string;
      readonly ip: string;
      readonly ips?: readonly string[];
      readonly node: string;
    }
  | { readonly kind: "node"; readonly name: string; readonly ip: string; readonly ips?: readonly string[] }
  | { readonly kind: "host"; readonly ip: string };

/** One connection or one UDP 4-tuple, before its destination is chosen. `node` is the node whose rules apply. */
export interface Flow {
  readonly id: number;
  readonly protocol: Protocol;
  readonly from: Peer;
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly node: string;
}

/** What the proxy decides for a flow. `matched` are the rules that decided, outermost first, for people to read. */
export type Verdict =
  | { readonly type: "pass"; readonly matched: readonly string[] }
  | {
      readonly type: "dnat";
      readonly endpoint: SocketAddress;
      /** The pod then sees the node's address as its peer. */
      readonly masquerade: boolean;
      /** `namespace/name:portname` of the Service. */
      readonly service: string;
      readonly matched: readonly string[];
    }
  | { readonly type: "reject"; readonly matched: readonly string[] }
  | { readonly type: "drop"; readonly matched: readonly string[] };

/** What policy decides for a flow with a known endpoint. */
export interface PolicyVerdict {
  readonly allowed: boolean;
  readonly matched: readonly string[];
}

/** A step of a flow, for trace, explain, the dashboard and the lab. */
export interface Hop {
  /** Clock milliseconds. */
  readonly at: number;
  readonly flow: number;
  readonly node: string;
  readonly hop: "accept" | "dial" | "verdict" | "policy" | "fault" | "deliver" | "close" | "dns" | "ingress";
  readonly decision: string;
  readonly matched: readonly string[];
}

/** A TCP flow that reached its endpoint: each one, not a sample. Addresses are `ip:port`. */
export interface FlowRecord {
  /** Clock milliseconds. */
  readonly at: number;
  readonly flow: number;
  readonly node: string;
  readonly source: string;
  readonly destination: string;
  readonly endpoint: string;
  /** `namespace/name:portname`; "" when it came through no Service. */
  readonly service: string;
}

/** Handles one datagram; `reply` sends back to its sender. */
export type DatagramHandler = (message: Uint8Array, source: SocketAddress, reply: (answer: Uint8Array) => void) => void;

/** Where flows to a pod's (or node's) address and port are delivered. */
export type Backend =
  /** A server of this process: accepted sockets are handed over to it; it binds nothing itself. */
  | { readonly type: "server"; readonly server: NetServer }
  /** A private socket of a worker or a child process, on 127.0.0.1: flows are piped. */
  | { readonly type: "socket"; readonly address: SocketAddress }
  /** UDP in this process. */
  | { readonly type: "datagram"; readonly handler: DatagramHandler };

/** Something that can be taken back; idempotent. */
export interface Registration extends AsyncDisposable {
  close(): Promise<void>;
}

/** A listener on a cluster address. `socket` is the real socket address (the plan may map it, port 80 may become 8080). */
export interface Listening extends Registration {
  readonly address: SocketAddress;
  readonly socket: SocketAddress;
}

/** The network as an endpoint's owner and a client see it; netsim's Fabric implements it. */
export interface Network {
  /**
   * Makes `address` reachable: a real listener there, whose flows go to `backend`. `owner` names the pod (its sockets are destroyed
   * when it dies) or the node.
   */
  expose(address: SocketAddress, protocol: Protocol, backend: Backend, owner: Peer): Promise<Listening>;
  /**
   * Connects as `from`. Rejects with an errno error: ECONNREFUSED (no listener, reject), ETIMEDOUT (drop, after `timeoutMs`),
   * ENETUNREACH (not a cluster address), EHOSTUNREACH. Identity, verdict, policy and fault apply exactly as to a real socket.
   */
  dial(from: Peer, to: SocketAddress, options?: DialOptions): Promise<Duplex>;
  /** Sends one datagram as `from` and yields replies through the handle until closed. */
  openDatagram(from: Peer, onMessage: (message: Uint8Array, source: SocketAddress) => void): DatagramSocket;
  /** Who holds an address now. */
  identify(ip: string): Peer;
  /** The real socket address at which a program on this machine reaches a cluster address, if it is listened on. */
  socketOf(address: SocketAddress, protocol: Protocol): SocketAddress | undefined;
}

export interface DialOptions {
  readonly signal?: AbortSignal;
  /** Default 127 s, as Linux gives up on SYN retries. */
  readonly timeoutMs?: number;
  /** Why it is dialled, for the trace: probes are many, and seldom what somebody looks for. */
  readonly purpose?: "probe";
}

export interface DatagramSocket {
  readonly local: SocketAddress;
  /** Errors (ECONNREFUSED after a reject) arrive through `onError`. */
  send(message: Uint8Array, to: SocketAddress): void;
  onError?: (error: NodeJS.ErrnoException) => void;
  close(): void;
}

/** A pod's resolv.conf. */
export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  /** `ndots:5` and the like. */
  readonly options: readonly string[];
}

export interface DnsRecord {
  readonly name: string;
  /** "A", "AAAA", "CNAME", "SRV", "PTR", "TXT", "SOA", "NS", or "TYPE65". */
  readonly type: string;
  readonly ttl: number;
  /** As in a zone file: "127.96.0.10", "0 50 80 web.default.svc.cluster.local." */
  readonly data: string;
}

/** One question on the search ladder and what came back. */
export interface DnsStep {
  readonly name: string;
  readonly type: string;
  /** NOERROR, NXDOMAIN, SERVFAIL, REFUSED, or TIMEOUT / ECONNREFUSED when no answer came. */
  readonly rcode: string;
  readonly server: string;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  readonly flags: readonly string[];
  readonly durationMs: number;
  /** Size of the answer in bytes, and whether it came over TCP. */
  readonly sizeBytes: number;
  readonly tcp: boolean;
  /** The message id of the question, for dig's header line. */
  readonly id?: number;
}

/** A stub resolver that asks cluster DNS over the fabric, as the C library of a pod does. */
export interface Resolve {
  /** Walks search and ndots; the last step is the answer. `search: false` asks the name as written. */
  query(
    from: Peer,
    conf: ResolvConf,
    name: string,
    type: string,
    options?: { readonly search?: boolean; readonly server?: SocketAddress; readonly tcp?: boolean; readonly signal?: AbortSignal },
  ): Promise<readonly DnsStep[]>;
  /** getaddrinfo: A (and AAAA in dual-stack) with the search path; rejects with ENOTFOUND or EAI_AGAIN. Literal addresses are returned as they are. */
  lookup(from: Peer, conf: ResolvConf, host: string): Promise<readonly string[]>;
}

/** What a container's program sees of its pod: the whole world for an inline image. */
export interface ContainerContext {
  readonly pod: Pod;
  readonly container: string;
  readonly peer: Peer;
  readonly hostname: string;
  /** command + args after $(VAR) expansion, the image's own entrypoint filled in. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Declared containerPorts, for images that listen wherever they are told. */
  readonly ports: readonly { readonly containerPort: number; readonly protocol: Protocol; readonly name?: string }[];
  /** Text of a file in the pod: /etc/resolv.conf, /etc/hosts, /etc/hostname, mounted ConfigMaps and Secrets, files written by tools. */
  readonly files: PodFiles;
  /** Serves TCP on the pod's address; several containers share it. EADDRINUSE when taken. */
  listen(port: number, server: NetServer): Promise<Registration>;
  listenUdp(port: number, handler: DatagramHandler): Promise<Registration>;
  /** Connects as this pod; names are resolved with its resolv.conf and /etc/hosts. */
  dial(host: string, port: number, options?: DialOptions): Promise<Duplex>;
  openDatagram(onMessage: (message: Uint8Array, source: SocketAddress) => void): DatagramSocket;
  lookup(host: string): Promise<readonly string[]>;
  readonly resolve: Resolve;
  readonly resolvConf: ResolvConf;
  readonly clock: Clock;
  readonly random: Random;
  /** What attach sends: there when the container has `stdin: true`, open until the attached client ends it (stdinOnce) or the pod stops. */
  readonly stdin?: Readable;
  /** The container has `tty: true`: raw keystrokes arrive on stdin, and the program's line discipline echoes and edits them. */
  readonly tty?: boolean;
  /** Sends a signal to the container's first process, as `kill 1` does. */
  readonly kill?: (signal: "SIGTERM" | "SIGKILL") => void;
  /** Appends to the container's log (and to attached clients). */
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Aborts on SIGTERM; the program should drain and then return. At the grace period's end its sockets are destroyed. */
  readonly signal: AbortSignal;
}

export interface PodFiles {
  read(path: string): string | undefined;
  write(path: string, text: string): void;
  /** A file in the container's own root whose text is made each time it is read. */
  generate(path: string, text: () => string): void;
  remove(path: string): boolean;
  /** Absolute paths of the files and folders directly below a folder; a path that ends in "/" is a folder. `write("/a/b/", "")` makes one. */
  list(path: string): readonly string[];
}

/** An inline image: runs until it resolves with its exit code. It must honour `context.signal`. */
export type InlineProgram = (context: ContainerContext) => Promise<number>;

/** What a program of a container sees beside its argv. */
export interface ProgramIo {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Aborts when the program is told to stop. */
  readonly signal: AbortSignal;
  readonly context: ContainerContext;
}

/** A program that exec and the shell find in a container; `argv[0]` is its name. Resolves with its exit code. */
export type PodProgram = (argv: readonly string[], io: ProgramIo) => Promise<number>;

/** An image that runs in this process. */
export interface InlineImage {
  readonly runtime: "inline";
  readonly program: InlineProgram;
  /** Ports the image EXPOSEs. */
  readonly ports?: readonly number[];
  /** The image's ENTRYPOINT and CMD: argv is (command ?? entrypoint) followed by (args ?? (command ? [] : cmd)). */
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  /** Programs beside the common tools, by name, which exec and the shell find in the root and in bin folders. */
  readonly programs?: Readonly<Record<string, PodProgram>>;
}

/** What an image name stands for. */
export type Image =
  | InlineImage
  | { readonly runtime: "worker"; readonly module: string; readonly ports?: readonly number[] }
  | { readonly runtime: "process"; readonly command: readonly string[]; readonly cwd?: string; readonly ports?: readonly number[] };

/** Streams of an exec or attach. `resize` yields terminal sizes when tty. */
export interface ExecStreams {
  readonly stdin?: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly tty: boolean;
  readonly resize: AsyncIterable<{ readonly width: number; readonly height: number }>;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

export interface LogOptions {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
  readonly sinceTime?: string;
  readonly limitBytes?: number;
  readonly signal: AbortSignal;
}

/** The kubelet's streaming side, used by the API's pod subresources. All throw StatusError with upstream's messages. */
export interface KubeletStreams {
  logs(pod: Pod, container: string, options: LogOptions): AsyncIterable<string>;
  /** Resolves with the exit code. */
  exec(pod: Pod, container: string, command: readonly string[], streams: ExecStreams): Promise<number>;
  attach(pod: Pod, container: string, streams: ExecStreams): Promise<number>;
  /** A connection to the pod's own loopback. */
  portForward(pod: Pod, port: number, signal: AbortSignal): Promise<Duplex>;
}

/** What a feature tells about itself, served below /apis/loopkube.dev/v1alpha1. Each method is optional. */
export interface Diagnostics {
  /** Section name in `status`, and the word after `dump`. */
  readonly name: string;
  status?(): JsonObject;
  /** Stable text; options such as `{node: "node-1", as: "nft"}`. A promise where making it takes more than a turn of the event loop. */
  dump?(options: Readonly<Record<string, string>>): string | Promise<string>;
  /** One feature's part of an explanation, in order of asking. */
  explain?(question: ExplainQuestion): Promise<ExplainAnswer | undefined>;
  /** Each question that a client asks for a name, and what comes of it; undefined when this feature is not DNS. */
  explainDns?(question: DnsQuestion): Promise<readonly ExplainAnswer[] | undefined>;
  /** The steps of one HTTP request through the Ingress; undefined when this feature has none to tell. */
  explainRequest?(question: RequestQuestion): Promise<readonly ExplainAnswer[] | undefined>;
}

/** A name to explain, as a client types it; its search path applies. */
export interface DnsQuestion {
  readonly from: Peer;
  readonly name: string;
  /** "A", "SRV", "TYPE65". */
  readonly type: string;
}

/** A request to explain: one that might be sent, or one that was, by the X-Loopkube-Trace of its answer. */
export type RequestQuestion =
  | {
      readonly type: "asked";
      readonly from: Peer;
      readonly method: string;
      readonly url: string;
      readonly headers: readonly (readonly [name: string, value: string])[];
      /** What the server of auth-url says, and the pod; 200 and anything when left out. */
      readonly authStatus?: number | undefined;
      readonly podStatus?: number | undefined;
    }
  | { readonly type: "traced"; readonly id: string };

export interface ExplainQuestion {
  readonly from: Peer;
  /** What was asked for: a URL, host:port or name. */
  readonly to: string;
  readonly host: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** Filled by DNS for the features after it. */
  readonly ip?: string;
  /** Filled by the proxy for the features after it. */
  readonly balance?: BalanceAnswer;
}

export interface ExplainAnswer {
  readonly title: string;
  readonly lines: readonly string[];
  /** The flow goes no further: features after this one are not asked. */
  readonly ends?: true;
  /** The address resolved, or the endpoint chosen, for the next feature. */
  readonly ip?: string;
  readonly port?: number;
  /** Where a program of this machine dials the address asked for: `ip:port`. */
  readonly socket?: string;
  /** The choice that a Service makes for the flow. */
  readonly balance?: BalanceAnswer;
}

/** Between which endpoints a Service chooses, and how. */
export interface BalanceAnswer {
  /** `namespace/name:portname` */
  readonly service: string;
  /** Name of the algorithm: "random", "rr", "least-connections", … */
  readonly algorithm: string;
  /** What is balanced: connections unless told otherwise. */
  readonly per?: "request";
  /** Session affinity by client address; 0: none. */
  readonly affinitySeconds: number;
  /** `address` is ip:port, `pod` is namespace/name or "". */
  readonly endpoints: readonly { readonly address: string; readonly pod: string; readonly node: string }[];
}

/** Something that has a life: start resolves when ready; stop is idempotent and resolves when all of it is gone. */
export interface Component extends AsyncDisposable {
  start(): Promise<void>;
  stop(): Promise<void>;
}
