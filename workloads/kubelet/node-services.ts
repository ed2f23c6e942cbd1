// What a kubelet lends to the workers of its pods: the node, the cluster's interfaces, the image catalog and the runtimes.
import type { Clock } from "../../model/clock.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { ContainerContext, ExecStreams, Image, Network, Peer, Resolve } from "../../model/ports.ts";
import type { Random } from "../../model/random.ts";
import type { Reader, Store } from "../../store/contract.ts";
import type { EventRecorder } from "../../store/event-recorder.ts";
import type { Runtime, RunningContainer, Sandbox } from "../runtimes/runtime.ts";
import type { ClaimVolumes } from "./claim-volumes.ts";
import type { ImageCatalog } from "./image-catalog.ts";
import type { ClusterDns } from "./pod-dns.ts";

/** The runtime of each kind of image. */
export interface Runtimes {
  readonly inline: Runtime<Extract<Image, { readonly runtime: "inline" }>>;
  readonly worker: Runtime<Extract<Image, { readonly runtime: "worker" }>>;
  readonly process: Runtime<Extract<Image, { readonly runtime: "process" }>>;
}

/** Starts an image's program in the runtime of its kind. */
export function startContainer(runtimes: Runtimes, image: Image, sandbox: Sandbox): Promise<RunningContainer> {
  switch (image.runtime) {
    case "inline":
      return runtimes.inline.start(image, sandbox);
    case "worker":
      return runtimes.worker.start(image, sandbox);
    case "process":
      return runtimes.process.start(image, sandbox);
  }
}

/** Runs one of an image's programs in an inline container; throws an error named ExecutableNotFound for an unknown command. */
export type ExecTool = (
  command: readonly string[],
  context: ContainerContext,
  streams: Omit<ExecStreams, "resize">,
  image: Image | undefined,
) => Promise<number>;

export interface NodeServices {
  readonly nodeName: string;
  readonly nodeIp: string;
  /** The node as a peer: kubelet's probes come from it. */
  readonly nodePeer: Peer;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly store: Store;
  /** The node's delayed view of the cluster. */
  readonly reader: Reader;
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly resolve: Resolve;
  readonly dns: ClusterDns;
  readonly images: ImageCatalog;
  readonly strictImages: boolean;
  readonly runtimes: Runtimes;
  readonly recorder: EventRecorder;
  readonly execTool: ExecTool;
  readonly token: (pod: Pod) => string;
  readonly claims: ClaimVolumes;
  /** Images that this node has pulled. */
  readonly pulled: Set<string>;
  /** Gives a pod an address; throws when the node has none left. */
  allocatePeer(namespace: string, name: string): Peer;
  releaseIp(ip: string): void;
  /** Destroys every socket of an address. */
  killPeer(ip: string): void;
}
