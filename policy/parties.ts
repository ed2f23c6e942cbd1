// The pods and namespaces that selectors look at, kept current from store changes.
import type { Namespace, Pod } from "../model/kinds/core-v1.ts";
import type { Peer } from "../model/ports.ts";
import { Namespaces, Pods } from "../model/resources.ts";
import type { Change } from "../store/index.ts";
import { type Party, partyOfPod, type PodParty } from "./party.ts";

type Labels = { readonly [key: string]: string };

export class Parties {
  readonly #byKey = new Map<string, PodParty>();
  readonly #byIp = new Map<string, PodParty>();
  readonly #namespaces = new Map<string, Labels>();
  readonly #identify: (ip: string) => Peer;

  /** `identify` names what holds an address that no pod holds. */
  constructor(identify: (ip: string) => Peer) {
    this.#identify = identify;
  }
  /** The resources that changes come from. */
  static readonly types = [Namespaces, Pods] as const;

  get pods(): Iterable<PodParty> {
    return this.#byKey.values();
  }
  /** Takes a change; true when selectors may now choose otherwise. */
  note(change: Change): boolean {
    if (change.type === Namespaces) return this.#noteNamespace(change.key, change.object as Namespace | undefined);
    if (change.type === Pods) return this.#notePod(change.key, change.object as Pod | undefined);
    return false;
  }
  labelsOfNamespace(name: string): Labels | undefined {
    return this.#namespaces.get(name);
  }
  /** A flow's client. */
  of(peer: Peer): Party {
    if (peer.kind !== "pod") return peer;
    const holder = this.#byIp.get(peer.ip);
    if (holder?.name === peer.name && holder.namespace === peer.namespace) return holder;
    const party = this.#byKey.get(`${peer.namespace}/${peer.name}`);
    if (!party) return { ...peer, labels: {}, namedPorts: new Map() };
    return party.secondary?.ip === peer.ip ? party.secondary : party;
  }
  /** Who holds an address. */
  at(ip: string): Party {
    return this.#byIp.get(ip) ?? this.of(this.#identify(ip));
  }
  #noteNamespace(name: string, namespace: Namespace | undefined): boolean {
    const labels = namespace?.metadata.labels ?? {};
    const before = this.#namespaces.get(name);
    if (namespace) this.#namespaces.set(name, labels);
    else this.#namespaces.delete(name);
    return !namespace || before === undefined || !sameLabels(before, labels);
  }
  #notePod(key: string, pod: Pod | undefined): boolean {
    const before = this.#byKey.get(key);
    const now = pod && partyOfPod(pod);
    if (before && now && same(before, now)) return false;
    for (const each of [before, before?.secondary]) if (each && this.#byIp.get(each.ip) === each) this.#byIp.delete(each.ip);
    if (now) {
      this.#byKey.set(key, now);
      this.#byIp.set(now.ip, now);
      if (now.secondary) this.#byIp.set(now.secondary.ip, now.secondary);
    } else this.#byKey.delete(key);
    return before !== undefined || now !== undefined;
  }
}

function same(a: PodParty, b: PodParty): boolean {
  if (
    a.ip !== b.ip ||
    a.secondary?.ip !== b.secondary?.ip ||
    a.node !== b.node ||
    !sameLabels(a.labels, b.labels) ||
    a.namedPorts.size !== b.namedPorts.size
  )
    return false;
  for (const [name, port] of a.namedPorts) if (b.namedPorts.get(name) !== port) return false;
  return true;
}

function sameLabels(a: Labels, b: Labels): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
