// A controller on a fabric with hand-made pods, Services and EndpointSlices: no kubelets, no API server. Clients use real sockets.
import { type Clock, realClock, VirtualClock } from "../../model/clock.ts";
import { createIds } from "../../model/ids.ts";
import type { Service } from "../../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import type { KubeObject } from "../../model/object.ts";
import type {
  Component,
  ContainerContext,
  DatagramHandler,
  Diagnostics,
  InlineImage,
  Peer,
  Registration,
  SocketAddress,
} from "../../model/ports.ts";
import { seededRandom } from "../../model/random.ts";
import { ConfigMaps, EndpointSlices, IngressClasses, type ResourceType, Services } from "../../model/resources.ts";
import { addressError, claimClusterIndex, createAddressPlan, createFabric, type Fabric } from "../../netsim/index.ts";
import { createIngress } from "../../ingress/index.ts";
import { createStore, type Store } from "../../store/index.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { IncomingHttpHeaders } from "node:http2";
import type { Server } from "node:net";
import { basename } from "node:path";
import { PassThrough } from "node:stream";
import { MapFiles } from "../support/fake-container.ts";
import { podServer } from "./pod-servers.ts";

interface Teardown {
  teardown(callback: () => Promise<void>): void;
}

export interface ControllerSetup {
  /** Of the controller; default the machine's. */
  readonly clock?: Clock;
  readonly flags?: readonly string[];
  readonly config?: Readonly<Record<string, string>>;
}

/** One fabric for a test file. */
export async function createHarness(t: Teardown): Promise<Harness> {
  const claim = await claimClusterIndex({ first: 30 });
  const plan = createAddressPlan({ kind: "direct", index: claim.index });
  const fabric = createFabric({ clock: realClock, random: seededRandom("ingress"), plan, nodes: [{ name: "node-0", ip: plan.nodeIp(0) }] });
  await fabric.start();
  t.teardown(async () => {
    await fabric.stop();
    await claim.release();
  });
  return new Harness(fabric);
}

export class Harness {
  readonly fabric: Fabric;
  #next = 1;
  constructor(fabric: Fabric) {
    this.fabric = fabric;
  }
  /** An unused pod address. */
  ip(): string {
    const n = this.#next++;
    return this.fabric.plan.pods.at(256 + n);
  }
  clusterIp(): string {
    return this.fabric.plan.services.at(256 + this.#next++);
  }
  start(setup: ControllerSetup = {}): Promise<World> {
    return World.start(this, setup);
  }
}

/** What a pod was asked, and what it said. */
export interface Said {
  /** A subrequest of auth-url, a request for the page of an error, or one for the pod itself. */
  readonly to: "auth" | "error" | "pod";
  readonly service: string;
  readonly ip: string;
  readonly method: string;
  readonly path: string;
  /** Undefined: nothing yet. */
  readonly status: number | undefined;
  /** Its answer has an X-Accel-Redirect. */
  readonly redirects: boolean;
}

/** A store and a controller pod of its own. */
export class World implements AsyncDisposable {
  readonly harness: Harness;
  readonly store: Store;
  readonly clock: VirtualClock;
  readonly ip: string;
  readonly log: string[] = [];
  /** In order of asking; mirrors are not among it. */
  readonly said: Said[] = [];
  readonly diagnostics: Diagnostics;
  #abort = new AbortController();
  readonly #flags: readonly string[];
  readonly #image: InlineImage;
  #container: ContainerContext;
  readonly #pods = new Map<string, { readonly ip: string; readonly registration: Registration }[]>();
  readonly #services = new Map<string, string>();
  #exit: Promise<number>;

  /** Writes status and Events; not started. */
  readonly component: Component;
  readonly #controllerClock: Clock;

  private constructor(harness: Harness, store: Store, clock: VirtualClock, flags: readonly string[], controllerClock: Clock) {
    this.harness = harness;
    this.store = store;
    this.clock = clock;
    this.ip = harness.ip();
    const ingress = createIngress({ store, clock: controllerClock, random: seededRandom("controller") });
    this.diagnostics = ingress.diagnostics;
    this.component = ingress.component;
    this.#controllerClock = controllerClock;
    this.#flags = flags;
    this.#image = ingress.image;
    this.#container = this.#context(flags);
    this.#exit = this.#image.program(this.#container);
  }
  static async start(harness: Harness, { flags = [], config, clock: controllerClock = realClock }: ControllerSetup): Promise<World> {
    const clock = new VirtualClock(Math.floor(Date.now() / 1000) * 1000 - 3_600_000);
    const store = await createStore({ clock, ids: createIds(seededRandom(7)) });
    await store.create(IngressClasses, {
      apiVersion: "networking.k8s.io/v1",
      kind: "IngressClass",
      metadata: { name: "nginx" },
      spec: { controller: "k8s.io/ingress-nginx" },
    });
    if (config)
      await store.create(ConfigMaps, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { namespace: "ingress-nginx", name: "ingress-nginx-controller" },
        data: config,
      });
    for (const flag of flags) {
      // The controller wants to find it.
      const [, namespace, name] = /^--default-backend-service=(.*)\/(.*)$/.exec(flag) ?? [];
      if (namespace === undefined || name === undefined) continue;
      await store.create(Services, { apiVersion: "v1", kind: "Service", metadata: { namespace, name }, spec: {} });
    }
    const world = new World(harness, store, clock, flags, controllerClock);
    await world.#listening();
    return world;
  }
  async #listening(): Promise<void> {
    while (!this.harness.fabric.socketOf({ ip: this.ip, port: 10254 }, "TCP")) await new Promise((resolve) => setImmediate(resolve));
  }
  /** Tells the controller to end, and waits until it has. */
  async shutDown(): Promise<void> {
    this.#abort.abort();
    await this.#exit;
  }
  /** Stops the controller, and starts it again after `meanwhile`. */
  async restart(meanwhile: () => Promise<void>): Promise<void> {
    this.#abort.abort();
    await this.#exit;
    await meanwhile();
    this.#abort = new AbortController();
    this.#container = this.#context(this.#flags);
    this.#exit = this.#image.program(this.#container);
    await this.#listening();
  }
  /** Where a program on this machine reaches the controller. */
  socket(port: number): SocketAddress {
    const socket = this.harness.fabric.socketOf({ ip: this.ip, port }, "TCP");
    if (!socket) throw new Error(`port ${port} is not listened on`);
    return socket;
  }
  /** Runs a program in the controller's container, as exec does: what it prints, and its exit code when that is not 0. */
  async exec(...argv: readonly string[]): Promise<string> {
    const run = this.#image.programs?.[basename(argv[0] ?? "")];
    if (!run) throw new Error(`no program ${argv[0]}`);
    let text = "";
    const output = (): PassThrough => new PassThrough().on("data", (chunk: Buffer) => (text += chunk.toString()));
    const io = { stdin: undefined, stdout: output(), stderr: output(), signal: this.#abort.signal, context: this.#container };
    const exitCode = await run(argv, io);
    return exitCode === 0 ? text : `${text}exit ${exitCode}\n`;
  }
  /** A file of the controller's container. */
  file(path: string): string | undefined {
    return this.#container.files.read(path);
  }
  create<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T> {
    return this.store.create(type, object);
  }
  settle(): Promise<void> {
    return this.store.settle();
  }
  /** The first pod's address of a Service. */
  podIp(service: string): string {
    return this.#pods.get(service)?.[0]?.ip ?? "";
  }

  /** A Service with pods that run `server`, or closed ports. */
  async service(
    name: string,
    options: {
      readonly replicas?: number;
      readonly closed?: boolean;
      readonly protocol?: string;
      readonly server?: (pod: string) => Server;
      readonly process?: SocketAddress;
      readonly spec?: Service["spec"];
    } = {},
  ): Promise<void> {
    const clusterIP = this.harness.clusterIp();
    const ports = [{ name: "http", port: 80, targetPort: 80, protocol: "TCP" as const }];
    if (this.store.get(Services, "default", name)) await this.store.delete(Services, "default", name);
    await this.create(Services, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace: "default", name },
      spec: options.spec ?? { clusterIP, clusterIPs: [clusterIP], ports, selector: { app: name } },
    });
    if (options.spec?.type === "ExternalName") return;
    this.#services.set(clusterIP, name);
    this.harness.fabric.hooks.verdict = (flow) => {
      const pod = this.#services.has(flow.destination.ip) ? this.podIp(this.#services.get(flow.destination.ip) ?? "") : "";
      return pod === ""
        ? { type: "pass", matched: [] }
        : { type: "dnat", endpoint: { ip: pod, port: 80 }, masquerade: false, service: name, matched: [] };
    };
    await this.scale(name, options.replicas ?? 1, options);
  }
  async scale(
    name: string,
    replicas: number,
    options: {
      readonly closed?: boolean;
      readonly protocol?: string;
      readonly server?: (pod: string) => Server;
      /** The pods' private socket, as of a process of its own. */
      readonly process?: SocketAddress;
    } = {},
  ): Promise<void> {
    const pods = this.#pods.get(name) ?? [];
    this.#pods.set(name, pods);
    while (pods.length > replicas) await pods.pop()?.registration.close();
    while (pods.length < replicas) {
      const pod = `${name}-${pods.length}`;
      const ip = this.harness.ip();
      const server = options.server?.(pod) ?? podServer(name, pod, options.protocol);
      if (options.protocol === "grpc")
        server.on("stream", (_: unknown, { ":method": method = "", ":path": path = "" }: IncomingHttpHeaders) =>
          this.said.push({ to: "pod", service: name, ip, method, path, status: 200, redirects: false }),
        );
      else server.on("request", (request: IncomingMessage, response: ServerResponse) => this.#hear(name, ip, request, response));
      const peer: Peer = { kind: "pod", namespace: "default", name: pod, ip, node: "node-0" };
      const registration = options.closed
        ? none()
        : await this.harness.fabric.expose(
            { ip, port: 80 },
            "TCP",
            options.process ? { type: "socket", address: options.process } : { type: "server", server },
            peer,
          );
      pods.push({
        ip,
        registration: {
          close: async () => {
            await registration.close();
            if ("closeAllConnections" in server && typeof server.closeAllConnections === "function") server.closeAllConnections();
            this.harness.fabric.killPeer(ip);
          },
          [Symbol.asyncDispose]: () => registration.close(),
        },
      });
    }
    const slice: EndpointSlice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { namespace: "default", name: `${name.slice(0, 57)}-abcde`, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      endpoints: pods.map(({ ip }) => ({ addresses: [ip], conditions: { ready: true } })),
      ports: [{ name: "http", port: 80, protocol: "TCP" }],
    };
    if (this.store.get(EndpointSlices, "default", slice.metadata.name)) await this.store.update(EndpointSlices, slice);
    else await this.create(EndpointSlices, slice);
  }

  #hear(service: string, ip: string, { headers, method = "", url: path = "" }: IncomingMessage, response: ServerResponse): void {
    const to = headers["x-sent-from"] !== undefined ? "auth" : headers["x-code"] !== undefined ? "error" : "pod";
    if (to === "pod" && headers["x-real-ip"] === undefined) return;
    this.said.push({
      ...{ to, service, ip, method, path },
      get status() {
        return response.headersSent ? response.statusCode : undefined;
      },
      get redirects() {
        return response.hasHeader("x-accel-redirect");
      },
    });
  }
  #context(flags: readonly string[]): ContainerContext {
    const { fabric } = this.harness;
    const peer: Peer = { kind: "pod", namespace: "ingress-nginx", name: `controller-${this.ip}`, ip: this.ip, node: "node-0" };
    const stream = (): PassThrough => new PassThrough().on("data", (chunk: Buffer) => this.log.push(chunk.toString()));
    const lookup = async (host: string): Promise<readonly string[]> => {
      const [name = ""] = host.split(".");
      const service = this.store.get(Services, host.split(".")[1] ?? "default", name);
      const ip = service?.spec.clusterIP;
      if (ip === undefined) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND" });
      return [ip];
    };
    const partial = {
      pod: {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { namespace: "ingress-nginx", name: peer.name, uid: `uid-${this.ip}` },
        spec: { containers: [] },
      },
      container: "controller",
      peer,
      hostname: peer.name,
      argv: ["/nginx-ingress-controller", ...flags],
      env: {},
      files: new MapFiles(),
      listen: (port: number, server: Server) => fabric.expose({ ip: this.ip, port }, "TCP", { type: "server", server }, peer),
      listenUdp: (port: number, handler: DatagramHandler) =>
        fabric.expose({ ip: this.ip, port }, "UDP", { type: "datagram", handler }, peer),
      openDatagram: (onMessage: Parameters<ContainerContext["openDatagram"]>[0]) => fabric.openDatagram(peer, onMessage),
      dial: async (host: string, port: number, options = {}) => {
        const ip = /^[\d.]+$/.test(host) ? host : (await lookup(host))[0];
        if (ip === undefined) throw addressError("connect", "ECONNREFUSED", { ip: host, port });
        return fabric.dial(peer, { ip, port }, options);
      },
      lookup,
      clock: this.#controllerClock,
      random: seededRandom(3),
      stdout: stream(),
      stderr: stream(),
      signal: this.#abort.signal,
    };
    return partial as unknown as ContainerContext;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    for (const pods of this.#pods.values()) for (const pod of pods) await pod.registration.close();
    await this.#exit;
    this.harness.fabric.killPeer(this.ip);
    await this.store.close();
  }
}

const none = (): Registration => ({ close: async () => {}, [Symbol.asyncDispose]: async () => {} });
