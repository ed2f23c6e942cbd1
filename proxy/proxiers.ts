// How each node's proxy is set up: its mode, and the memory (turns, affinity, open flows) that goes with the mode.
// Upstream: one kube-proxy process per node; here nodes of one mode share a chooser, which keeps their states apart by node.
import { ipvsSchedulers } from "../balancers/index.ts";
import type { Clock } from "../model/clock.ts";
import { Cidr } from "../model/ip.ts";
import type { Random } from "../model/random.ts";
import { Chooser, isIpvsScheduler } from "./chooser.ts";
import { type ProxyConfig, PROXY_MODES, type ProxyMode } from "./proxy-config.ts";
import { PRIMARY } from "./node-port-addresses.ts";
import type { ServicePort } from "./service-port.ts";

export interface Proxier {
  readonly config: ProxyConfig;
  readonly chooser: Chooser;
}

export interface ProxierOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Default iptables, as upstream's. */
  readonly mode?: ProxyMode;
  /** Modes of single nodes, by name. */
  readonly nodeModes?: Readonly<Record<string, ProxyMode>>;
  /** ipvs mode: rr (default), wrr, lc, wlc, sed, nq, sh, dh, lblc, mh. */
  readonly scheduler?: string;
  readonly serviceCIDRs?: readonly string[];
  /** Pod blocks, by which printed rulesets tell pods from others. */
  readonly clusterCIDRs?: readonly string[];
  /** --nodeport-addresses: blocks, or `primary` alone; default all node addresses (nftables: primary). */
  readonly nodePortAddresses?: readonly string[];
  readonly masqueradeAll?: boolean;
}

/** Throws RangeError for a mode, scheduler or block that there is not. */
export class Proxiers {
  readonly default: Proxier;
  readonly #byMode = new Map<ProxyMode, Proxier>();
  readonly #nodeModes: ReadonlyMap<string, ProxyMode>;

  constructor(options: ProxierOptions) {
    const { mode = "iptables", nodeModes = {}, scheduler } = options;
    if (scheduler !== undefined && !isIpvsScheduler(scheduler)) {
      const known = ipvsSchedulers.map((kind) => kind.name).join(", ");
      throw new RangeError(`unknown ipvs scheduler ${JSON.stringify(scheduler)}; there is: ${known}`);
    }
    this.#nodeModes = new Map(Object.entries(nodeModes));
    for (const each of new Set([mode, ...this.#nodeModes.values()])) {
      if (!PROXY_MODES.includes(each))
        throw new RangeError(`unknown proxy mode ${JSON.stringify(each)}; there is: ${PROXY_MODES.join(", ")}`);
      this.#byMode.set(each, proxier(each, options));
    }
    this.default = this.#byMode.get(mode) ?? proxier(mode, options);
  }
  of(node: string): Proxier {
    const mode = this.#nodeModes.get(node);
    return (mode && this.#byMode.get(mode)) ?? this.default;
  }
  /** The modes of the nodes. */
  get modes(): readonly ProxyMode[] {
    return [...this.#byMode.keys()];
  }
  /** A port's endpoints have changed, or it is gone (undefined). */
  changed(old: ServicePort, now: ServicePort | undefined): void {
    for (const { chooser } of this.#byMode.values()) chooser.changed(old, now);
  }
  closed(flow: number): void {
    for (const { chooser } of this.#byMode.values()) chooser.closed(flow);
  }
  /** Forgets affinities that have timed out. */
  sweep(nowMs: number): void {
    for (const { chooser } of this.#byMode.values()) chooser.affinity.sweep(nowMs);
  }
  get affinityClients(): number {
    return [...this.#byMode.values()].reduce((sum, { chooser }) => sum + chooser.affinity.size, 0);
  }
}

const blocks = (texts: readonly string[]): readonly Cidr[] => texts.map((text) => new Cidr(text));

function readNodePortAddresses(texts: readonly string[]): ProxyConfig["nodePortAddresses"] {
  if (!texts.includes(PRIMARY)) return blocks(texts);
  if (texts.length > 1) throw new RangeError(`node port addresses are "${PRIMARY}" or address blocks, not both`);
  return PRIMARY;
}

function proxier(mode: ProxyMode, options: ProxierOptions): Proxier {
  const { clock, random, scheduler, masqueradeAll = false } = options;
  const config: ProxyConfig = {
    mode,
    serviceCIDRs: blocks(options.serviceCIDRs ?? []),
    clusterCIDRs: blocks(options.clusterCIDRs ?? []),
    nodePortAddresses: options.nodePortAddresses && readNodePortAddresses(options.nodePortAddresses),
    masqueradeAll,
    localDetector: true,
    localhostNodePorts: mode === "iptables",
  };
  return { config, chooser: new Chooser({ mode, clock, random: random.fork("proxy"), ...(scheduler === undefined ? {} : { scheduler }) }) };
}
