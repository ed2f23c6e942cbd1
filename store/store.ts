// The object store: typed tables over a driver, one revision, admission inside each write, watches and delayed cursors.
// Writes are serialised; each is one turn of the event loop from admission to commit, so allocators need no locks.
import type { Clock } from "../model/clock.ts";
import { alreadyExists, conflict, type FieldError, invalid, isStatus, notFound } from "../model/errors.ts";
import type { Ids } from "../model/ids.ts";
import { deepFreeze, type Draft, draft, equalJson, type KubeObject, keyOf, namespaceOf } from "../model/object.ts";
import { BUILT_IN_RESOURCES, type ResourceType } from "../model/resources.ts";
import type {
  Activity,
  Admission,
  AdmissionRequest,
  Cursor,
  DeleteOptions,
  ListQuery,
  Store,
  Transaction,
  UpdateOptions,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./contract.ts";
import { StoreCursor } from "./cursor.ts";
import type { Driver } from "./driver.ts";
import { createMemoryDriver } from "./memory-driver.ts";
import { Settler } from "./settler.ts";
import { shareParts } from "./sharing.ts";
import {
  type AnyObject,
  checkPreconditions,
  countGeneration,
  isReleased,
  prepareCreate,
  prepareDelete,
  prepareUpdate,
  tooManyConflicts,
} from "./strategy.ts";
import { Table } from "./table.ts";
import { watchTable } from "./watch.ts";

const MUTATE_TRIES = 5;

export interface StoreOptions {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly driver?: Driver;
  /** Default: every built-in resource. */
  readonly resources?: readonly ResourceType[];
  /** Changes kept per resource for watches and paging; default 2,000. */
  readonly logLimit?: number;
}

/** Opens a store on its driver. */
export async function createStore(options: StoreOptions): Promise<Store> {
  const driver = options.driver ?? createMemoryDriver();
  const { revision, entries } = await driver.load();
  const store = new ObjectStore(options, driver, revision);
  for (const entry of entries) store.restore(entry.object, entry.revision);
  return store;
}

class ObjectStore implements Store {
  readonly resources: readonly ResourceType[];
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #driver: Driver;
  readonly #tables = new Map<ResourceType, Table>();
  readonly #admission: Admission[] = [];
  readonly #cursors = new Set<StoreCursor>();
  readonly #settler: Settler;
  #revision: number;
  #lastWrite: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: StoreOptions, driver: Driver, revision: number) {
    this.resources = options.resources ?? BUILT_IN_RESOURCES;
    this.#clock = options.clock;
    this.#ids = options.ids;
    this.#driver = driver;
    this.#revision = revision;
    for (const type of this.resources) this.#tables.set(type, new Table(type, revision, options.logLimit ?? 2_000));
    this.#settler = new Settler(() => [this.#revision, this.#cursors] as const);
  }

  get revision(): number {
    return this.#revision;
  }
  admit(...steps: readonly Admission[]): void {
    this.#admission.push(...steps);
  }
  get<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string): T | undefined {
    return this.#table(type).get(namespace, name);
  }
  list<T extends KubeObject>(type: ResourceType<T>, query?: ListQuery): readonly T[] {
    return this.#table(type).list(query);
  }
  listAt<T extends KubeObject>(type: ResourceType<T>, revision: number, query: ListQuery = {}): readonly T[] {
    return this.#table(type).listAt(revision, query);
  }
  watch<T extends KubeObject>(type: ResourceType<T>, options: WatchOptions = {}): AsyncIterable<WatchEvent<T>> {
    return watchTable(this.#table(type), () => this.#revision, this.#clock, options);
  }
  cursor(options: { readonly delayMs?: number; readonly name?: string } = {}): Cursor {
    const cursor = new StoreCursor({
      name: options.name ?? "cursor",
      source: this,
      clock: this.#clock,
      delayMs: options.delayMs ?? 0,
      onClose: (closed) => this.#cursors.delete(closed),
    });
    this.#cursors.add(cursor);
    return cursor;
  }
  track(activity: Activity): Disposable {
    return this.#settler.track(activity);
  }
  settle(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    return this.#settler.settle(options.timeoutMs ?? 10_000);
  }
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const cursor of [...this.#cursors]) cursor.close();
    await this.#driver.close();
  }

  create<T extends KubeObject>(type: ResourceType<T>, object: T, options: WriteOptions = {}): Promise<T> {
    return this.#serially(async () => {
      const taken = (name: string, namespace: string): boolean => this.get(type, namespace, name) !== undefined;
      const made = prepareCreate(type, object, { clock: this.#clock, ids: this.#ids, options, taken });
      if (taken(made.metadata.name, namespaceOf(made as KubeObject))) throw alreadyExists(type, made.metadata.name);
      const tx = new WriteTransaction(this);
      this.#runAdmission(
        { operation: "CREATE", type, subresource: undefined, object: made as Draft<KubeObject>, old: undefined, options },
        tx,
      );
      return (await this.#store(type, made as AnyObject, undefined, options, tx)) as T;
    });
  }
  update<T extends KubeObject>(type: ResourceType<T>, object: T, options: UpdateOptions = {}): Promise<T> {
    return this.#serially(() => this.#update(type, object, options));
  }
  async mutate<T extends KubeObject>(
    type: ResourceType<T>,
    namespace: string,
    name: string,
    edit: (draft: Draft<T>) => void | false,
    options: UpdateOptions = {},
  ): Promise<T> {
    // Read and write in one turn: within this process an edit never loses. Only a shared driver can refuse it.
    for (let tries = 0; tries < MUTATE_TRIES; tries++) {
      try {
        return await this.#serially(async () => {
          const current = this.get(type, namespace, name);
          if (!current) throw notFound(type, name);
          const edited = draft(current);
          return edit(edited) === false ? current : await this.#update(type, edited as T, options);
        });
      } catch (error) {
        if (!isStatus(error, "Conflict")) throw error;
      }
    }
    throw tooManyConflicts(type, name);
  }
  delete<T extends KubeObject>(
    type: ResourceType<T>,
    namespace: string,
    name: string,
    options: DeleteOptions = {},
  ): Promise<{ readonly object: T; readonly gone: boolean }> {
    return this.#serially(async () => {
      const old = this.get(type, namespace, name);
      if (!old) throw notFound(type, name);
      checkPreconditions(type, old, options);
      const tx = new WriteTransaction(this);
      this.#runAdmission({ operation: "DELETE", type, subresource: undefined, object: draft<KubeObject>(old), old, options }, tx);
      const held = prepareDelete(type, old, options, this.#clock);
      if (!held) return { object: (await this.#remove(type, old, options, tx)) as T, gone: true };
      if (equalJson(held, old)) return { object: old, gone: false };
      return { object: (await this.#store(type, held as AnyObject, old, options, tx)) as T, gone: false };
    });
  }

  /** Puts a loaded entry back without admission or watchers. */
  restore(object: KubeObject, revision: number): void {
    const type = this.resources.find((candidate) => candidate.kind === object.kind);
    if (!type) return;
    const stored = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } });
    this.#table(type).apply({ revision, key: keyOf(stored), object: stored, deleted: false, previous: undefined });
  }

  async #update<T extends KubeObject>(type: ResourceType<T>, object: T, options: UpdateOptions): Promise<T> {
    const old = this.get(type, namespaceOf(object), object.metadata.name);
    if (!old) throw notFound(type, object.metadata.name);
    const edited = prepareUpdate(type, object, old, options.subresource);
    const tx = new WriteTransaction(this);
    this.#runAdmission(
      { operation: "UPDATE", type, subresource: options.subresource, object: edited as Draft<KubeObject>, old, options },
      tx,
    );
    const made = countGeneration(type, shareParts(edited, old) as AnyObject, old);
    if (isReleased(type, made)) return (await this.#remove(type, old, options, tx)) as T;
    if (made === (old as KubeObject)) return old;
    return (await this.#store(type, made, old, options, tx)) as T;
  }
  #runAdmission(request: AdmissionRequest, tx: WriteTransaction): void {
    for (const step of this.#admission) {
      if (step.types && !step.types.includes(request.type)) continue;
      if (step.operations && !step.operations.includes(request.operation)) continue;
      step.admit(request, tx);
    }
    if (tx.errors.length > 0) throw invalid(request.type, request.object.metadata.name, tx.errors);
  }
  async #store(
    type: ResourceType,
    made: AnyObject,
    old: KubeObject | undefined,
    options: WriteOptions,
    tx: WriteTransaction,
  ): Promise<KubeObject> {
    if (options.dryRun) return deepFreeze({ ...made, metadata: { ...made.metadata, ...(old ? {} : { resourceVersion: "" }) } });
    const table = this.#table(type);
    const written = { ...shareParts(made, table.latest), metadata: { ...made.metadata, resourceVersion: "" } };
    const result = await this.#driver.put(this.#driverKey(type, made), written, revisionOf(old));
    if (!result.ok) throw old ? conflict(type, made.metadata.name) : alreadyExists(type, made.metadata.name);
    written.metadata.resourceVersion = String(result.revision);
    const stored = deepFreeze(written);
    this.#commit(type, { revision: result.revision, key: keyOf(stored), object: stored, deleted: false, previous: old }, tx);
    return stored;
  }
  async #remove(type: ResourceType, old: KubeObject, options: WriteOptions, tx: WriteTransaction): Promise<KubeObject> {
    if (options.dryRun) return old;
    const result = await this.#driver.remove(this.#driverKey(type, old), revisionOf(old));
    if (!result.ok) throw conflict(type, old.metadata.name);
    const last = deepFreeze({ ...old, metadata: { ...old.metadata, resourceVersion: String(result.revision) } });
    this.#commit(type, { revision: result.revision, key: keyOf(old), object: last, deleted: true, previous: old }, tx);
    return last;
  }
  #commit(type: ResourceType, entry: Parameters<Table["apply"]>[0], tx: WriteTransaction): void {
    this.#revision = entry.revision;
    this.#table(type).apply(entry);
    for (const callback of tx.callbacks) callback();
    for (const cursor of this.#cursors) cursor.accept(type, entry);
  }
  #serially<R>(write: () => Promise<R>): Promise<R> {
    const result = this.#lastWrite.then(write);
    this.#lastWrite = result.catch(() => undefined);
    return result;
  }
  #table<T extends KubeObject>(type: ResourceType<T>): Table<T> {
    const table = this.#tables.get(type as ResourceType);
    if (!table) throw new Error(`resource ${type.resource} is not served by this store`);
    return table as Table as unknown as Table<T>;
  }
  #driverKey(type: ResourceType, object: KubeObject): string {
    return `/registry/${type.group || "core"}/${type.resource}/${keyOf(object)}`;
  }
}

const revisionOf = (object: KubeObject | undefined): number => Number(object?.metadata.resourceVersion ?? 0);

class WriteTransaction implements Transaction {
  readonly errors: FieldError[] = [];
  readonly callbacks: (() => void)[] = [];
  readonly #reader: Store;
  constructor(reader: Store) {
    this.#reader = reader;
  }
  get revision(): number {
    return this.#reader.revision;
  }
  get<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string): T | undefined {
    return this.#reader.get(type, namespace, name);
  }
  list<T extends KubeObject>(type: ResourceType<T>, query?: ListQuery): readonly T[] {
    return this.#reader.list(type, query);
  }
  onCommit(callback: () => void): void {
    this.callbacks.push(callback);
  }
  reject(error: FieldError): void {
    this.errors.push(error);
  }
}
