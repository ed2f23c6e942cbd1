// The data of a redis server: strings and lists with expiry, and the commands on them as a table.
import { compareText } from "../../../model/text.ts";
import type { Reply } from "./resp.ts";

type Value = Buffer | Buffer[];

const WRONG_TYPE: Reply = { error: "WRONGTYPE Operation against a key holding the wrong kind of value" };
const NOT_INTEGER: Reply = { error: "ERR value is not an integer or out of range" };
const SYNTAX: Reply = { error: "ERR syntax error" };
const OK: Reply = { status: "OK" };

/** One numbered database. */
export class Keyspace {
  readonly #values = new Map<string, Value>();
  readonly #expiresAt = new Map<string, number>();
  readonly #now: () => number;
  constructor(now: () => number) {
    this.#now = now;
  }
  get(key: string): Value | undefined {
    const due = this.#expiresAt.get(key);
    if (due !== undefined && due <= this.#now()) this.delete(key);
    return this.#values.get(key);
  }
  set(key: string, value: Value): void {
    this.#values.set(key, value);
  }
  delete(key: string): boolean {
    this.#expiresAt.delete(key);
    return this.#values.delete(key);
  }
  /** Absolute milliseconds, or undefined to persist. */
  expire(key: string, atMs: number | undefined): void {
    if (atMs === undefined) this.#expiresAt.delete(key);
    else this.#expiresAt.set(key, atMs);
  }
  expiry(key: string): number | undefined {
    return this.#expiresAt.get(key);
  }
  get now(): number {
    return this.#now();
  }
  keys(): readonly string[] {
    return [...this.#values.keys()].filter((key) => this.get(key) !== undefined).sort(compareText);
  }
  clear(): void {
    this.#values.clear();
    this.#expiresAt.clear();
  }
  /** Commands that make this data again. */
  snapshot(): readonly (readonly (string | Buffer)[])[] {
    return this.keys().flatMap((key) => {
      const value = this.get(key);
      const made = value === undefined ? [] : Array.isArray(value) ? [["RPUSH", key, ...value]] : [["SET", key, value]];
      const due = this.expiry(key);
      return due === undefined ? made : [...made, ["PEXPIREAT", key, String(due)]];
    });
  }
}

/** A command on data. `writes`: it is refused on a replica and sent on to replicas. `arity` counts the name; negative is a minimum. */
export interface DataCommand {
  readonly arity: number;
  readonly writes: boolean;
  run(db: Keyspace, args: readonly Buffer[]): Reply;
}

function integer(text: Buffer | undefined): number | undefined {
  const written = (text ?? "").toString();
  const value = Number(written);
  return /^-?\d+$/.test(written) && Number.isSafeInteger(value) ? value : undefined;
}

function increment(db: Keyspace, key: string, by: number | undefined): Reply {
  const value = db.get(key);
  if (Array.isArray(value)) return WRONG_TYPE;
  const current = value === undefined ? 0 : integer(value);
  if (current === undefined || by === undefined || !Number.isSafeInteger(current + by)) return NOT_INTEGER;
  db.set(key, Buffer.from(String(current + by)));
  return current + by;
}

function push(db: Keyspace, key: string, items: readonly Buffer[], front: boolean): Reply {
  const value = db.get(key) ?? [];
  if (!Array.isArray(value)) return WRONG_TYPE;
  const list = front ? [...items.toReversed(), ...value] : [...value, ...items];
  db.set(key, list);
  return list.length;
}

function pop(db: Keyspace, key: string, front: boolean): Reply {
  const value = db.get(key);
  if (value === undefined) return null;
  if (!Array.isArray(value)) return WRONG_TYPE;
  const item = front ? value[0] : value.at(-1);
  const rest = front ? value.slice(1) : value.slice(0, -1);
  if (rest.length === 0) db.delete(key);
  else db.set(key, rest);
  return item ?? null;
}

function set(db: Keyspace, [key, value, ...options]: readonly Buffer[]): Reply {
  const name = String(key);
  let due: number | undefined;
  let keep = false;
  const old = db.get(name);
  for (let i = 0; i < options.length; i++) {
    const option = String(options[i]).toUpperCase();
    if (option === "NX" || option === "XX") {
      if ((old === undefined) !== (option === "NX")) return null;
    } else if (option === "KEEPTTL") keep = true;
    else if (option === "EX" || option === "PX") {
      const amount = integer(options[++i]);
      if (amount === undefined) return NOT_INTEGER;
      if (amount <= 0) return { error: "ERR invalid expire time in 'set' command" };
      due = db.now + amount * (option === "EX" ? 1000 : 1);
    } else return SYNTAX;
  }
  db.set(name, Buffer.from(value ?? ""));
  if (!keep || due !== undefined) db.expire(name, due);
  return OK;
}

function expire(db: Keyspace, [key, amount]: readonly Buffer[], unitMs: number, absolute: boolean): Reply {
  const value = integer(amount);
  if (value === undefined) return NOT_INTEGER;
  if (db.get(String(key)) === undefined) return 0;
  db.expire(String(key), absolute ? value : db.now + value * unitMs);
  return 1;
}

function ttl(db: Keyspace, key: string, unitMs: number): Reply {
  if (db.get(key) === undefined) return -2;
  const due = db.expiry(key);
  return due === undefined ? -1 : Math.ceil((due - db.now) / unitMs);
}

function text(db: Keyspace, key: Buffer | undefined, then: (value: Buffer | undefined) => Reply): Reply {
  const value = db.get(String(key));
  return Array.isArray(value) ? WRONG_TYPE : then(value);
}

const globOf = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|\\]/g, "\\$&")
      .replaceAll("*", "[\\s\\S]*")
      .replaceAll("?", "[\\s\\S]")}$`,
  );

const reads = (arity: number, run: DataCommand["run"]): DataCommand => ({ arity, writes: false, run });
const writes = (arity: number, run: DataCommand["run"]): DataCommand => ({ arity, writes: true, run });

/** The commands on data by upper-case name. */
export const dataCommands: ReadonlyMap<string, DataCommand> = new Map(
  Object.entries({
    GET: reads(2, (db, [key]) => text(db, key, (value) => value ?? null)),
    STRLEN: reads(2, (db, [key]) => text(db, key, (value) => value?.length ?? 0)),
    MGET: reads(-2, (db, keys) =>
      keys.map((key) => db.get(String(key))).map((value) => (value === undefined || Array.isArray(value) ? null : value)),
    ),
    EXISTS: reads(-2, (db, keys) => keys.filter((key) => db.get(String(key)) !== undefined).length),
    KEYS: reads(2, (db, [pattern]) => db.keys().filter((key) => globOf(String(pattern)).test(key))),
    DBSIZE: reads(1, (db) => db.keys().length),
    TYPE: reads(2, (db, [key]) => {
      const value = db.get(String(key));
      return { status: value === undefined ? "none" : Array.isArray(value) ? "list" : "string" };
    }),
    TTL: reads(2, (db, [key]) => ttl(db, String(key), 1000)),
    PTTL: reads(2, (db, [key]) => ttl(db, String(key), 1)),
    LLEN: reads(2, (db, [key]) => {
      const value = db.get(String(key)) ?? [];
      return Array.isArray(value) ? value.length : WRONG_TYPE;
    }),
    LRANGE: reads(4, (db, [key, from, to]) => {
      const value = db.get(String(key)) ?? [];
      const [start, end] = [integer(from), integer(to)];
      if (!Array.isArray(value)) return WRONG_TYPE;
      if (start === undefined || end === undefined) return NOT_INTEGER;
      return value.slice(start < 0 ? Math.max(0, value.length + start) : start, (end < 0 ? value.length + end : end) + 1);
    }),
    SET: writes(-3, set),
    SETNX: writes(3, (db, [key = Buffer.alloc(0), value = Buffer.alloc(0)]) => (set(db, [key, value, Buffer.from("NX")]) === null ? 0 : 1)),
    MSET: writes(-3, (db, pairs) => {
      if (pairs.length % 2 === 1) return { error: "ERR wrong number of arguments for 'mset' command" };
      for (let i = 0; i < pairs.length; i += 2) db.set(String(pairs[i]), Buffer.from(pairs[i + 1] ?? ""));
      return OK;
    }),
    GETSET: writes(3, (db, [key, value]) =>
      text(db, key, (old) => {
        db.set(String(key), Buffer.from(value ?? ""));
        return old ?? null;
      }),
    ),
    APPEND: writes(3, (db, [key, more = Buffer.alloc(0)]) =>
      text(db, key, (old) => {
        const joined = Buffer.concat([old ?? Buffer.alloc(0), more]);
        db.set(String(key), joined);
        return joined.length;
      }),
    ),
    INCR: writes(2, (db, [key]) => increment(db, String(key), 1)),
    DECR: writes(2, (db, [key]) => increment(db, String(key), -1)),
    INCRBY: writes(3, (db, [key, by]) => increment(db, String(key), integer(by))),
    DECRBY: writes(3, (db, [key, by]) => increment(db, String(key), -(integer(by) ?? NaN))),
    DEL: writes(-2, (db, keys) => keys.filter((key) => db.get(String(key)) !== undefined && db.delete(String(key))).length),
    UNLINK: writes(-2, (db, keys) => keys.filter((key) => db.get(String(key)) !== undefined && db.delete(String(key))).length),
    EXPIRE: writes(-3, (db, args) => expire(db, args, 1000, false)),
    PEXPIRE: writes(-3, (db, args) => expire(db, args, 1, false)),
    PEXPIREAT: writes(-3, (db, args) => expire(db, args, 1, true)),
    PERSIST: writes(2, (db, [key]) => {
      const had = db.expiry(String(key)) !== undefined;
      db.expire(String(key), undefined);
      return Number(had);
    }),
    RPUSH: writes(-3, (db, [key, ...items]) => push(db, String(key), items, false)),
    LPUSH: writes(-3, (db, [key, ...items]) => push(db, String(key), items, true)),
    LPOP: writes(2, (db, [key]) => pop(db, String(key), true)),
    RPOP: writes(2, (db, [key]) => pop(db, String(key), false)),
    FLUSHDB: writes(-1, (db) => (db.clear(), OK)),
  } satisfies Readonly<Record<string, DataCommand>>),
);
