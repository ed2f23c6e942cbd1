// What the store offers to the rest: typed reads, optimistic writes, watches, delayed cursors, and the admission chain.
// Upstream: the API server's registry and watch cache (apiserver pkg/registry/generic, pkg/storage/cacher).
import type { Draft, KubeObject, ObjectKey } from "../model/object.ts";
import type { ResourceType, Subresource } from "../model/resources.ts";
import type { FieldRequirement, LabelMatcher } from "../model/selectors.ts";

export interface ListQuery {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  readonly labels?: LabelMatcher;
  readonly fields?: readonly FieldRequirement[];
}

/** Reads: objects are frozen; equal revisions give the same reference. */
export interface Reader {
  /** The revision that reads see. */
  readonly revision: number;
  get<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string): T | undefined;
  /** Sorted by namespace, then name. */
  list<T extends KubeObject>(type: ResourceType<T>, query?: ListQuery): readonly T[];
}

export interface WriteOptions {
  readonly dryRun?: boolean;
  /** Who writes, for admission: default "system:loopkube". */
  readonly user?: string;
  /** Set by the API for requests of its clients; admission may be stricter with them than with controllers. */
  readonly external?: boolean;
  /** Takes what admission says to the writer beside its answer, refused or not: the API's Warning headers. */
  readonly warn?: (text: string) => void;
}

export interface DeleteOptions extends WriteOptions {
  /** Seconds; for pods the default is spec.terminationGracePeriodSeconds. 0 removes at once. */
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground";
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

/** Writes. All reject with StatusError; all return the frozen stored object. */
export interface Writer {
  create<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>;
  /**
   * Replaces spec and metadata (status is kept) or, with `subresource: "status"`, status only. A `metadata.resourceVersion` in
   * `object` must be current, else 409 Conflict; without one the write is unconditional. An update that changes nothing writes nothing.
   */
  update<T extends KubeObject>(type: ResourceType<T>, object: T, options?: UpdateOptions): Promise<T>;
  /** Reads, edits a draft and writes it in one turn: an edit never loses against other writes of this process. `edit` returning false writes nothing. */
  mutate<T extends KubeObject>(
    type: ResourceType<T>,
    namespace: string,
    name: string,
    edit: (draft: Draft<T>) => void | false,
    options?: UpdateOptions,
  ): Promise<T>;
  /** Resolves with the object as it is afterwards, or as it was last; `gone` tells which. */
  delete<T extends KubeObject>(
    type: ResourceType<T>,
    namespace: string,
    name: string,
    options?: DeleteOptions,
  ): Promise<{ readonly object: T; readonly gone: boolean }>;
}

export interface UpdateOptions extends WriteOptions {
  readonly subresource?: Subresource;
}

export type WatchEvent<T extends KubeObject = KubeObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  /** All changes up to `revision` have been delivered; `initial` ends the synthetic ADDED events of a watch list. */
  | { readonly type: "BOOKMARK"; readonly revision: number; readonly initial: boolean };

export interface WatchOptions extends ListQuery {
  /** Events after this revision; 0 or absent: the present state as ADDED first. Below the horizon: throws 410 Expired. */
  readonly from?: number;
  /** Yield a BOOKMARK after the initial state, and one a minute while idle. */
  readonly bookmarks?: boolean;
  readonly signal?: AbortSignal;
}

/** One object's change as a cursor reports it; `object` is undefined when it is gone. Several changes of a key arrive as one. */
export interface Change<T extends KubeObject = KubeObject> {
  readonly type: ResourceType<T>;
  readonly key: ObjectKey;
  readonly object: T | undefined;
  readonly previous: T | undefined;
}

/**
 * A reader of its own that sees the store late by `delayMs`: kube-proxy, DNS, ingress and kubelets read through one.
 * `batches` yields the present state first, then what changed, coalesced; a consumer that awaits the next batch counts as settled.
 */
export interface Cursor extends Reader {
  batches(types: readonly ResourceType[], signal?: AbortSignal): AsyncIterable<readonly Change[]>;
  close(): void;
}

/** What `settle()` waits for: true when nothing is queued or being worked on. */
export interface Activity {
  readonly name: string;
  idle(): boolean;
}

export interface AdmissionRequest<T extends KubeObject = KubeObject> {
  readonly operation: "CREATE" | "UPDATE" | "DELETE";
  readonly type: ResourceType<T>;
  readonly subresource: Subresource | undefined;
  /** The new object, to be edited in place (on DELETE: a copy of the old one). */
  readonly object: Draft<T>;
  readonly old: T | undefined;
  readonly options: WriteOptions;
}

/** The write that admission runs in: nothing it does is seen unless the write commits. */
export interface Transaction extends Reader {
  /** Runs after the write is committed, in order; never for a dry run. */
  onCommit(callback: () => void): void;
  /** Field errors collected by all validators, thrown together as one 422. */
  reject(error: import("../model/errors.ts").FieldError): void;
}

/**
 * One step of the chain inside a write: defaulting, allocation or validation. Synchronous, so that a write is one turn. Throws StatusError to
 * refuse at once, or calls `tx.reject` so that kubectl prints every error.
 */
export interface Admission {
  readonly name: string;
  /** Kinds it looks at; absent: all. */
  readonly types?: readonly ResourceType[];
  readonly operations?: readonly AdmissionRequest["operation"][];
  admit(request: AdmissionRequest, tx: Transaction): void;
}

export interface Store extends Reader, Writer {
  /** All resources served, built-in and registered. */
  readonly resources: readonly ResourceType[];
  /** Adds admission steps at the chain's end: composition root only. */
  admit(...steps: readonly Admission[]): void;
  watch<T extends KubeObject>(type: ResourceType<T>, options?: WatchOptions): AsyncIterable<WatchEvent<T>>;
  /** Objects as they were at an old revision, for paging; throws 410 Expired below the horizon. */
  listAt<T extends KubeObject>(type: ResourceType<T>, revision: number, query?: ListQuery): readonly T[];
  cursor(options?: { readonly delayMs?: number; readonly name?: string }): Cursor;
  /** Joins something to what `settle` waits for. */
  track(activity: Activity): Disposable;
  /** Resolves when every cursor is at the store's revision and every activity has been idle for a whole turn of the event loop. */
  settle(options?: { readonly timeoutMs?: number }): Promise<void>;
  close(): Promise<void>;
}
