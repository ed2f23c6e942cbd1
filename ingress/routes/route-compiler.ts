// Keeps the route table up to date: the unit of compilation is one host, recompiled only when one of its Ingresses has changed.
// Upstream: controller.go getConfiguration, which recomputes everything on every change.
import type { Ingress, IngressClass } from "../../model/kinds/networking-v1.ts";
import { keyOf } from "../../model/object.ts";
import { compareText } from "../../model/text.ts";
import { hash32 } from "../../model/random.ts";
import { compileAliases } from "./alias-patterns.ts";
import { compileAnnotations, type CompiledAnnotations } from "../annotations/index.ts";
import { ControllerConfig, type ControllerFlags } from "../config.ts";
import { type ClassFacts, ignoredBecause } from "./ingress-class.ts";
import { alternativesOf, canaryUpstreams } from "./canary-upstreams.ts";
import { backendRef, CATCH_ALL, compareParts, type IngressPart, type PartRule, readIngress } from "./ingress-part.ts";
import type { Owner, RouteTable, Server } from "./route-table.ts";
import { upstreamPolicies } from "./upstream-policy.ts";
import { compileServer, type HostRules, redirectServer, type ServerContext } from "./server.ts";

export class RouteCompiler {
  readonly flags: ControllerFlags;
  #config: ControllerConfig;
  #defaults: CompiledAnnotations;
  readonly #ingresses = new Map<Owner, Ingress>();
  readonly #classes = new Map<string, IngressClass>();
  readonly #namespaces = new Map<string, Readonly<Record<string, string>>>();
  readonly #facts: ClassFacts = {
    classOf: (name) => this.#classes.get(name),
    namespaceLabels: (name) => this.#namespaces.get(name),
  };
  readonly #parts = new Map<Owner, IngressPart>();
  readonly #ignored = new Map<Owner, string>();
  /** Main Ingresses of each host, first first. */
  readonly #byHost = new Map<string, IngressPart[]>();
  readonly #canaries = new Map<Owner, IngressPart>();
  /** Upstreams of canaries alone, and whether they are to be found out again. */
  #reserved: ReadonlySet<string> = new Set();
  #unsettled = false;
  readonly #servers = new Map<string, Server>();
  /** Aliases that each compiled server had, to see when they change. */
  readonly #stale = new Set<string>([CATCH_ALL]);
  #table: RouteTable | undefined;

  constructor(flags: ControllerFlags) {
    this.flags = flags;
    this.#config = new ControllerConfig({}, flags);
    this.#defaults = compileAnnotations(undefined, this.#config);
  }
  /** The table of what has been told so far. */
  get table(): RouteTable {
    return (this.#table ??= this.#build());
  }
  /** Every part that counts. */
  get parts(): Iterable<IngressPart> {
    return this.#parts.values();
  }
  /** A number that is equal for equal Ingresses and ConfigMaps. */
  fingerprint(): number {
    const ingresses = [...this.#parts.values()].sort(compareParts);
    const texts = ingresses.map(
      ({ owner, ingress: { metadata } }) => `${owner} ${metadata.uid} ${metadata.generation} ${JSON.stringify(metadata.annotations)}`,
    );
    return hash32(`${texts.join("\n")}\n${JSON.stringify(this.#config.data)}`);
  }
  setIngress(key: Owner, ingress: Ingress | undefined): void {
    if (ingress) this.#ingresses.set(key, ingress);
    else this.#ingresses.delete(key);
    this.#read(key);
  }
  setClass(name: string, ingressClass: IngressClass | undefined): void {
    if (ingressClass) this.#classes.set(name, ingressClass);
    else this.#classes.delete(name);
    for (const [key, ingress] of this.#ingresses) if (ingress.spec.ingressClassName === name) this.#read(key);
  }
  /** Of interest with --watch-namespace-selector alone. */
  setNamespace(name: string, labels: Readonly<Record<string, string>> | undefined): void {
    if (labels) this.#namespaces.set(name, labels);
    else this.#namespaces.delete(name);
    for (const [key, ingress] of this.#ingresses) if (ingress.metadata.namespace === name) this.#read(key);
  }
  setConfig(data: Readonly<Record<string, string>>): void {
    this.#config = new ControllerConfig(data, this.flags);
    this.#defaults = compileAnnotations(undefined, this.#config);
    this.#stale.add(CATCH_ALL);
    this.#table = undefined;
    for (const key of this.#ingresses.keys()) this.#read(key);
  }

  #read(key: Owner): void {
    this.#table = undefined;
    const before = this.#parts.get(key);
    if (before) this.#remove(before);
    this.#ignored.delete(key);
    const ingress = this.#ingresses.get(key);
    if (!ingress) return;
    const because = ignoredBecause(ingress, this.flags, this.#facts);
    const catchAll = this.flags.disableCatchAll && ingress.spec.defaultBackend !== undefined;
    if (because === undefined && catchAll)
      return void this.#ignored.set(key, "Ingresses with a default backend are switched off by --disable-catch-all");
    const part = because === undefined ? readIngress(ingress, this.#config) : { dropped: because };
    if ("dropped" in part) return void this.#ignored.set(key, part.dropped);
    this.#add(part);
  }
  #add(part: IngressPart): void {
    this.#parts.set(part.owner, part);
    this.#unsettled = true;
    if (part.annotations.settings.canary.enabled) return this.#touchCanary(part, () => this.#canaries.set(part.owner, part));
    for (const host of hostsOf(part)) {
      const parts = this.#byHost.get(host) ?? [];
      let at = parts.length;
      while (at > 0 && compareParts(part, parts[at - 1] ?? part) < 0) at--;
      parts.splice(at, 0, part);
      this.#byHost.set(host, parts);
      this.#stale.add(host);
    }
  }
  #remove(part: IngressPart): void {
    this.#parts.delete(part.owner);
    this.#unsettled = true;
    if (this.#canaries.has(part.owner)) return this.#touchCanary(part, () => this.#canaries.delete(part.owner));
    for (const host of hostsOf(part)) {
      const rest = (this.#byHost.get(host) ?? []).filter((other) => other !== part);
      if (rest.length > 0) this.#byHost.set(host, rest);
      else this.#byHost.delete(host);
      this.#stale.add(host);
    }
  }
  #touchCanary(part: IngressPart, change: () => void): void {
    change();
    for (const host of [CATCH_ALL, ...part.hosts.keys()]) this.#stale.add(host);
  }
  /** A change of the upstreams that are canaries' alone may change every host. */
  #settle(): void {
    if (!this.#unsettled) return;
    this.#unsettled = false;
    const before = this.#reserved;
    this.#reserved = this.#canaries.size === 0 ? new Set() : canaryUpstreams([...this.#parts.values()].sort(compareParts));
    if (this.#canaries.size > 0) this.#stale.add(CATCH_ALL);
    if (before.size === this.#reserved.size && [...before].every((upstream) => this.#reserved.has(upstream))) return;
    for (const host of [CATCH_ALL, ...this.#byHost.keys()]) this.#stale.add(host);
  }

  /** Compiles up to `limit` hosts that have changed; true when some are left. */
  prepare(limit: number): boolean {
    this.#settle();
    const context = this.#context();
    let left = limit;
    for (const host of this.#stale) {
      if (left-- <= 0) return true;
      this.#stale.delete(host);
      const parts = this.#byHost.get(host);
      if (parts || host === CATCH_ALL)
        this.#servers.set(host, compileServer(host, parts ?? [], this.#aliasesOf(parts ?? []), context, this.#rulesOf(host, parts ?? [])));
      else this.#servers.delete(host);
    }
    return false;
  }
  /** With those of canaries: where a canary names a main upstream it has rules as any other Ingress, on the catch-all for a host without server. */
  #rulesOf(host: string, parts: readonly IngressPart[]): readonly HostRules[] {
    const rulesOf = (part: IngressPart): readonly PartRule[] => {
      const own = part.hosts.get(host) ?? [];
      if (host !== CATCH_ALL || !this.#canaries.has(part.owner)) return own;
      return [...own, ...[...part.hosts].flatMap(([name, rules]) => (name === CATCH_ALL || this.#byHost.has(name) ? [] : rules))];
    };
    const all = this.#canaries.size === 0 ? parts : [...parts, ...this.#canaries.values()].sort(compareParts);
    return all.map((part) => ({ part, rules: rulesOf(part) }));
  }
  #context(): ServerContext {
    const catchAll = (this.#byHost.get(CATCH_ALL) ?? []).find((part) => part.defaultBackend && part.hosts.size === 0);
    return { config: this.#config, catchAll, defaults: this.#defaults, reserved: this.#reserved };
  }

  #build(): RouteTable {
    this.prepare(Infinity);
    const hosts = new Map<string, Server>();
    const wildcards = new Map<string, Server>();
    for (const [host, server] of this.#servers) {
      if (host.startsWith("*.")) wildcards.set(host.slice(2), server);
      else if (host !== CATCH_ALL) hosts.set(host, server);
    }
    const inOrder = [...this.#servers.values()].sort((a, b) => compareText(a.host, b.host));
    const { exact, patterns } = compileAliases(inOrder, (name) => this.#servers.has(name));
    for (const [alias, server] of exact) hosts.set(alias, server);
    this.#addRedirectHosts(hosts);
    const counted = [...this.#parts.values()].sort(compareParts);
    const fallback = this.#servers.get(CATCH_ALL) ?? compileServer(CATCH_ALL, [], [], this.#context());
    return {
      flags: this.flags,
      config: this.#config,
      hosts,
      wildcards,
      patterns,
      fallback,
      defaultBackend: backendOf(this.flags.defaultBackendService),
      policies: upstreamPolicies(counted, this.#reserved, (host) =>
        (this.#servers.get(host)?.aliases ?? []).filter((alias) => !this.#servers.has(alias)),
      ),
      alternatives: alternativesOf([...this.#canaries.values()].sort(compareParts), {
        reserved: this.#reserved,
        locationsOf: (host) => (host === CATCH_ALL ? fallback : this.#servers.get(host))?.asAdded,
      }),
      counted: counted.map((part) => part.owner),
      ignored: new Map(this.#ignored),
    };
  }
  /** The first Ingress with aliases decides. */
  #aliasesOf(parts: readonly IngressPart[]): readonly string[] {
    return parts.find(({ annotations }) => annotations.settings.serverAlias.length > 0)?.annotations.settings.serverAlias ?? [];
  }
  #addRedirectHosts(hosts: Map<string, Server>): void {
    for (const [host, parts] of this.#byHost) {
      if (host === CATCH_ALL || host.startsWith("*.") || !parts.some(({ annotations }) => annotations.settings.redirect.fromToWww))
        continue;
      const other = host.startsWith("www.") ? host.slice(4) : `www.${host}`;
      const server = hosts.get(host);
      if (!hosts.has(other) && server) hosts.set(other, { ...redirectServer(other, host, this.#config), certificate: server.certificate });
    }
  }
}

/** Compiles a table from scratch. */
export function compileRoutes(
  flags: ControllerFlags,
  objects: {
    readonly ingresses: readonly Ingress[];
    readonly classes: readonly IngressClass[];
    readonly config?: Readonly<Record<string, string>>;
  },
): RouteTable {
  const compiler = new RouteCompiler(flags);
  if (objects.config) compiler.setConfig(objects.config);
  for (const ingressClass of objects.classes) compiler.setClass(ingressClass.metadata.name, ingressClass);
  for (const ingress of objects.ingresses) compiler.setIngress(keyOf(ingress), ingress);
  return compiler.table;
}

/** Hosts that an Ingress has a say in; a default backend without rules belongs to the catch-all. */
function hostsOf(part: IngressPart): readonly string[] {
  return part.hosts.size === 0 ? (part.defaultBackend ? [CATCH_ALL] : []) : [...part.hosts.keys()];
}

function backendOf(service: string): ReturnType<typeof backendRef> {
  const [namespace = "", name = ""] = service.split("/");
  return name === "" ? undefined : backendRef(namespace, { service: { name } });
}
