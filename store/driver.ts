// Where objects are kept: etcd's contract in the few calls that the store needs. Memory is the default; a driver may be shared by several processes.
// Upstream: etcd's KV and Watch services, and kine's Backend interface.
import type { KubeObject } from "../model/object.ts";

export interface Entry {
  /** `/registry/<group>/<resource>/<namespace>/<name>`. */
  readonly key: string;
  readonly object: KubeObject;
  /** The revision of the entry's last write. */
  readonly revision: number;
}

/** A compare-and-set's outcome: the new revision, or what stands there now. */
export type PutResult = { readonly ok: true; readonly revision: number } | { readonly ok: false; readonly current: number };

export interface DriverChange {
  readonly key: string;
  /** Absent when the key was removed. */
  readonly object: KubeObject | undefined;
  readonly revision: number;
}

export interface Driver {
  /** Everything at the present revision. */
  load(): Promise<{ readonly revision: number; readonly entries: readonly Entry[] }>;
  /** Writes when the key's revision is `expected` (0: the key must not exist). */
  put(key: string, object: KubeObject, expected: number): Promise<PutResult> | PutResult;
  remove(key: string, expected: number): Promise<PutResult> | PutResult;
  /** Writes of other processes after `revision`, in order. A driver that is not shared never yields. */
  changes(revision: number, signal: AbortSignal): AsyncIterable<DriverChange>;
  close(): Promise<void>;
}
