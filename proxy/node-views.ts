// Nodes as the rules see them: addresses and zone. A view stays the same object until something of it changes.
import type { Node } from "../model/kinds/core-v1.ts";
import { canonicalIp, type IpFamily, ipFamily } from "../model/ip.ts";
import type { NodeView } from "./topology.ts";

const TO_BE_DELETED = "ToBeDeletedByClusterAutoscaler";
const ZONE = "topology.kubernetes.io/zone";

const NOWHERE: NodeView = { name: "", addresses: [], zone: "" };

export class NodeViews {
  readonly #views = new Map<string, NodeView>();
  readonly #byAddress = new Map<string, NodeView>();

  /** Replaces one node; true when its view changed. */
  set(name: string, node: Node | undefined): boolean {
    const old = this.#views.get(name);
    const now = node && viewOf(node);
    if (old && now && old.zone === now.zone && old.eligible === now.eligible && old.addresses.join() === now.addresses.join()) return false;
    for (const address of old?.addresses ?? []) if (this.#byAddress.get(address) === old) this.#byAddress.delete(address);
    for (const address of now?.addresses ?? []) if (now) this.#byAddress.set(address, now);
    if (now) this.#views.set(name, now);
    else this.#views.delete(name);
    return old !== undefined || now !== undefined;
  }
  /** A node unknown here has no addresses and no zone. */
  get(name: string): NodeView {
    return this.#views.get(name) ?? { ...NOWHERE, name };
  }
  has(name: string): boolean {
    return this.#views.has(name);
  }
  at(address: string): NodeView | undefined {
    return this.#byAddress.get(address);
  }
  all(): readonly NodeView[] {
    return [...this.#views.values()];
  }
  /** Every node's addresses of a family. */
  addresses(family: IpFamily): readonly { readonly ip: string; readonly node: NodeView }[] {
    return this.all().flatMap((node) => node.addresses.filter((ip) => ipFamily(ip) === family).map((ip) => ({ ip, node })));
  }
}

function viewOf(node: Node): NodeView {
  const addresses = (node.status?.addresses ?? []).flatMap(({ type, address }) => {
    const ip = type === "InternalIP" || type === "ExternalIP" ? canonicalIp(address) : undefined;
    return ip ? [ip] : [];
  });
  const doomed = node.metadata.deletionTimestamp !== undefined || (node.spec?.taints ?? []).some((taint) => taint.key === TO_BE_DELETED);
  return { name: node.metadata.name, addresses, eligible: !doomed, zone: node.metadata.labels?.[ZONE] ?? "" };
}
