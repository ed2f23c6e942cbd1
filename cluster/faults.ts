// `cluster.fault({...})`: a Fault object that lasts as long as its handle.
import { parseFaultPeer } from "../model/fault-text.ts";
import { isStatus } from "../model/errors.ts";
import type { Fault, FaultPeer, FaultSettings, FaultSpec } from "../model/kinds/loopkube-v1alpha1.ts";
import { Faults } from "../model/resources.ts";
import type { Store } from "../store/index.ts";

/** Which links and what is wrong with them; `from` and `to` may be text: `app=client`, `svc/web`, `host`. */
export interface FaultOptions extends FaultSettings, Pick<FaultSpec, "direction"> {
  readonly name?: string;
  readonly from?: string | FaultPeer;
  readonly to?: string | FaultPeer;
}

/** A fault in force, until `remove` or the end of its block (`await using`). */
export interface ClusterFault extends AsyncDisposable {
  readonly name: string;
  /** Open connections that it matched when it came, and those of them that it does not shape. */
  readonly liveFlows: number;
  readonly unshapedFlows: number;
  remove(): Promise<void>;
}

/** Resolves when the fault is in force; rejects with StatusError (422) when a setting cannot be read. */
export async function addFault(store: Store, { name, from, to, ...settings }: FaultOptions): Promise<ClusterFault> {
  const spec: FaultSpec = { ...settings, ...peerOf("from", from), ...peerOf("to", to) };
  const metadata = name === undefined ? { name: "", generateName: "fault-" } : { name };
  const created = await store.create(Faults, { apiVersion: "loopkube.dev/v1alpha1", kind: "Fault", metadata, spec });
  const inForce = await reported(store, created);
  const remove = async (): Promise<void> => {
    try {
      await store.delete(Faults, "", created.metadata.name);
    } catch (error) {
      if (!isStatus(error, "NotFound")) throw error;
    }
    await store.settle();
  };
  return {
    name: created.metadata.name,
    liveFlows: inForce.status?.liveFlows ?? 0,
    unshapedFlows: inForce.status?.unshapedFlows ?? 0,
    remove,
    [Symbol.asyncDispose]: remove,
  };
}

function peerOf(key: "from" | "to", peer: string | FaultPeer | undefined): Pick<FaultSpec, "from" | "to"> {
  const parsed = typeof peer === "string" ? parseFaultPeer(peer) : peer;
  return parsed === undefined ? {} : { [key]: parsed };
}

/** The fault once its status says that it is in force. */
async function reported(store: Store, created: Fault): Promise<Fault> {
  const cursor = store.cursor({ name: "fault" });
  try {
    for await (const _changes of cursor.batches([Faults])) {
      const fault = store.get(Faults, "", created.metadata.name);
      if (!fault || fault.status?.observedGeneration !== undefined) return fault ?? created;
    }
  } finally {
    cursor.close();
  }
  return created;
}
