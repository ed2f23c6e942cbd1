// From what a person writes (`pod/client-0`, `pod/shop/web-1`, `node/loopkube-worker`, `host`) to a client on the fabric.
import { badRequest, notFound } from "../model/errors.ts";
import type { Peer } from "../model/ports.ts";
import { Nodes, Pods } from "../model/resources.ts";
import type { Reader } from "../store/index.ts";

/** The peer a text names. Throws 404 for a pod or node that is not there, 400 for other text. */
export function parsePeer(store: Reader, text: string): Peer {
  const parts = text.split("/");
  const kind = parts[0] ?? "";
  if (text === "" || text === "host") return { kind: "host", ip: "127.0.0.1" };
  if ((kind === "pod" || kind === "pods" || kind === "po") && (parts.length === 2 || parts.length === 3)) {
    return podPeer(store, parts.length === 3 ? (parts[1] ?? "") : "default", parts.at(-1) ?? "");
  }
  if ((kind === "node" || kind === "no") && parts.length === 2) return nodePeer(store, parts[1] ?? "");
  throw badRequest(`"${text}" names no client: use pod/NAME, pod/NAMESPACE/NAME, node/NAME or host`);
}

function podPeer(store: Reader, namespace: string, name: string): Peer {
  const pod = store.get(Pods, namespace, name);
  if (!pod) throw notFound(Pods, name);
  const ip = pod.status?.podIP;
  if (ip === undefined) throw badRequest(`pod ${namespace}/${name} has no IP yet`);
  return { kind: "pod", namespace, name, ip, node: pod.spec.nodeName ?? "" };
}

function nodePeer(store: Reader, name: string): Peer {
  const node = store.get(Nodes, "", name);
  const ip = node?.status?.addresses?.find((address) => address.type === "InternalIP")?.address;
  if (!node || ip === undefined) throw notFound(Nodes, name);
  return { kind: "node", name, ip };
}
