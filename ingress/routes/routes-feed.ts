// The route table kept up to date: one reader of the store for all controller pods with equal flags, which share what it compiles.
// Upstream: the informers of internal/ingress/controller/store. It runs while somebody holds it.
import { type Clock, nextTurn } from "../../model/clock.ts";
import { keyOf, splitKey } from "../../model/object.ts";
import { ConfigMaps, EndpointSlices, Ingresses, IngressClasses, Namespaces, Secrets, Services } from "../../model/resources.ts";
import { SharedFeed, type Activity, type Change, type Cursor, type FeedRun, type Store } from "../../store/index.ts";
import type { ControllerFlags } from "../config.ts";
import { RouteCompiler } from "./route-compiler.ts";
import type { RouteTable } from "./route-table.ts";
import { compileStreamServices, type StreamServices } from "./stream-services.ts";
import { Upstreams } from "./upstreams.ts";
import { RequestTraces } from "../explain/request-traces.ts";

/** Changes taken in one turn of the event loop. */
const CHUNK = 200;
/** Hosts compiled in one turn. */
const HOSTS = 100;

export class RoutesFeed {
  readonly flags: ControllerFlags;
  #compiler: RouteCompiler;
  #upstreams: Upstreams;
  readonly #secrets = new Map<string, Readonly<Record<string, Buffer>>>();
  readonly #configMaps = new Map<string, Readonly<Record<string, string>>>();
  readonly #listeners = new Set<(ingresses: ReadonlySet<string>) => void>();
  /** Keys of those that have changed since the listeners were called. */
  #changed = new Set<string>();
  readonly traces = new RequestTraces();
  readonly #feed: SharedFeed;
  #reader: Pick<Store, "get">;
  #reloads = 0;
  #changedAtMs: number;
  /** Controller pods that hold it, the leader first. */
  readonly #pods = new Set<string>();
  /** What is served: the next one takes its place when all its hosts are compiled. */
  #table: RouteTable | undefined;

  #streams: StreamServices | undefined;
  #ports = "";
  readonly #clock: Clock;
  readonly #store: Store;

  constructor(flags: ControllerFlags, store: Store, clock: Clock, delayMs: number) {
    this.flags = flags;
    this.#compiler = new RouteCompiler(flags);
    this.#upstreams = new Upstreams(!flags.disableSvcExternalName);
    this.#clock = clock;
    this.#store = store;
    this.#changedAtMs = clock.now();
    this.#reader = store;
    this.#feed = new SharedFeed({
      ...{ store, delayMs, name: "ingress-nginx", chunk: CHUNK },
      types: () => [
        ...(flags.watchNamespaceSelector === "" ? [] : [Namespaces]),
        ...[IngressClasses, Ingresses, Services, EndpointSlices, Secrets, ConfigMaps],
      ],
      begin: (cursor) => this.#begin(cursor),
      end: () => (this.#reader = store),
    });
  }
  get upstreams(): Upstreams {
    return this.#upstreams;
  }
  get table(): RouteTable {
    return (this.#table ??= this.#compiler.table);
  }
  /** What tcp-services and udp-services say now. */
  get streams(): StreamServices {
    return (this.#streams ??= this.#compileStreams());
  }
  /** Makes `settle()` wait for what follows from a change. */
  track(activity: Activity): Disposable {
    return this.#store.track(activity);
  }
  /** Resolves once the present state has been read. */
  get synced(): Promise<void> {
    return this.#feed.synced;
  }
  get holders(): number {
    return this.#feed.holders;
  }
  /** Changes of the configuration so far; endpoints are none. */
  get reloads(): number {
    return this.#reloads;
  }
  get changedAtMs(): number {
    return this.#changedAtMs;
  }
  /** Equal for equal configurations. */
  get configHash(): number {
    return this.#compiler.fingerprint();
  }
  /** Some pod serves that has not been told to end. */
  get serving(): boolean {
    return this.#pods.size > 0;
  }
  get pods(): Iterable<string> {
    return this.#pods;
  }
  /** A pod has been told to end: another leads. */
  leave(pod: string): void {
    this.#pods.delete(pod);
  }
  /** The pod that has held it longest. */
  leads(pod: string): boolean {
    return this.#pods.values().next().value === pod;
  }
  secret(key: string): Readonly<Record<string, Buffer>> | undefined {
    return this.#secrets.get(key);
  }
  configMap(key: string): Readonly<Record<string, string>> | undefined {
    return this.#configMaps.get(key);
  }
  /** Calls back after each batch of changes, with the keys of Ingresses among them. */
  onChange(listener: (ingresses: ReadonlySet<string>) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
  /** Starts reading for the first holder, a pod by its name, and stops with the last. */
  acquire(pod: string): AsyncDisposable {
    this.#pods.add(pod);
    const held = this.#feed.acquire();
    return {
      [Symbol.asyncDispose]: () => {
        this.#pods.delete(pod);
        return held[Symbol.asyncDispose]();
      },
    };
  }

  #begin(cursor: Cursor): FeedRun {
    const compiler = new RouteCompiler(this.flags);
    this.#reader = cursor;
    this.#compiler = compiler;
    this.#upstreams = new Upstreams(!this.flags.disableSvcExternalName);
    this.#secrets.clear();
    this.#configMaps.clear();
    this.#table = undefined;
    this.#streams = undefined;
    return {
      take: (change) => this.#apply(change),
      taken: async () => {
        while (compiler.prepare(HOSTS)) await nextTurn();
        if (this.#compiler !== compiler) return;
        this.#streams = undefined;
        const ports = this.#portsText();
        if (this.#table !== compiler.table || this.#ports !== ports) {
          this.#reloads++;
          this.#changedAtMs = this.#clock.now();
        }
        this.#table = compiler.table;
        this.#ports = ports;
        const changed = this.#changed;
        this.#changed = new Set();
        for (const listener of this.#listeners) listener(changed);
      },
    };
  }
  /** tcp-services and udp-services as nginx is configured with them: endpoints are no configuration. */
  #portsText(): string {
    const { tcpServices, udpServices } = this.flags;
    if (tcpServices === "" && udpServices === "") return "";
    const { services } = this.streams;
    return services.map(({ protocol, port, upstream, decode, encode }) => [protocol, port, upstream, decode, encode].join(" ")).join("\n");
  }
  #compileStreams(): StreamServices {
    const { tcpServices, udpServices } = this.flags;
    const named = [
      { configMap: tcpServices, protocol: "TCP" },
      { configMap: udpServices, protocol: "UDP" },
    ] as const;
    const given = named
      .filter(({ configMap }) => configMap !== "")
      .map((entry) => ({ ...entry, data: this.#configMaps.get(entry.configMap) }));
    return compileStreamServices(given, this.flags, this.#upstreams);
  }
  #apply({ type, key, object }: Change): void {
    const { namespace, name } = splitKey(key);
    // Reads of the cursor are typed; a change is not.
    if (type === Ingresses) {
      this.#changed.add(key);
      this.#compiler.setIngress(key, object && this.#get(Ingresses, namespace, name));
    } else if (type === Namespaces) {
      const found = object && this.#get(Namespaces, "", name);
      this.#compiler.setNamespace(name, found && (found.metadata.labels ?? {}));
    } else if (type === IngressClasses) this.#compiler.setClass(name, object && this.#get(IngressClasses, "", name));
    else if (type === Services) this.#upstreams.setService(key, object && this.#get(Services, namespace, name));
    else if (type === EndpointSlices) this.#upstreams.setSlice(key, object && this.#get(EndpointSlices, namespace, name));
    else if (type === Secrets) {
      const secret = object && this.#get(Secrets, namespace, name);
      if (!secret) this.#secrets.delete(key);
      else
        this.#secrets.set(
          keyOf(secret),
          Object.fromEntries(Object.entries(secret.data ?? {}).map(([field, text]) => [field, Buffer.from(text, "base64")])),
        );
    } else {
      const data = object && this.#get(ConfigMaps, namespace, name);
      if (data) this.#configMaps.set(key, data.data ?? {});
      else this.#configMaps.delete(key);
      if (key === this.flags.configMap) this.#compiler.setConfig(data?.data ?? {});
    }
  }
  get #get(): Store["get"] {
    const reader = this.#reader;
    return (type, namespace, name) => reader.get(type, namespace, name);
  }
}
