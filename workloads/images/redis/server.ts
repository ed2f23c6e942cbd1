// A redis server: connections, the commands about the server itself, and replication by sending writes on to replicas.
// A replica asks with PSYNC as a real one does; what follows +FULLRESYNC is the data as commands instead of an RDB file, so only
// these stand-ins replicate from each other. Leaves out transactions, scripts, pub/sub, persistence and authentication by ACL.
import type { Duplex } from "node:stream";
import { sleep } from "../../../model/clock.ts";
import { createTcpServer } from "../../../netsim/tcp-server.ts";
import { formatDate } from "../../tools/date.ts";
import { errnoOf, errnoText, throwIfTerminated, type ToolIo } from "../../tools/tool.ts";
import { stopped } from "../serve.ts";
import { createIds } from "../../../model/ids.ts";
import { dataCommands, Keyspace } from "./keyspace.ts";
import { encodeCommand, encodeReply, ProtocolError, RespReader, type Reply } from "./resp.ts";

export interface RedisOptions {
  readonly port: number;
  readonly replicaOf?: { readonly host: string; readonly port: number };
  readonly password?: string;
  readonly version: string;
}

interface Client {
  readonly socket: Duplex;
  database: number;
  authenticated: boolean;
}

const DATABASES = 16;

/** Serves until SIGTERM or SHUTDOWN; resolves with the exit code. */
export async function serveRedis(options: RedisOptions, io: ToolIo): Promise<number> {
  const server = new RedisServer(options, io);
  return server.run();
}

class RedisServer {
  readonly #options: RedisOptions;
  readonly #io: ToolIo;
  readonly #databases: readonly Keyspace[];
  readonly #replicas = new Set<Client>();
  readonly #clients = new Set<Client>();
  readonly #id: string;
  readonly #stop = new AbortController();
  #primary: { readonly host: string; readonly port: number } | undefined;
  #link: AbortController | undefined;
  #linkUp = false;
  #offset = 0;
  #commands = 0;
  readonly #startedMs: number;

  constructor(options: RedisOptions, io: ToolIo) {
    const { clock, random } = io.context;
    this.#options = options;
    this.#io = io;
    this.#databases = Array.from({ length: DATABASES }, () => new Keyspace(() => clock.now()));
    this.#id = createIds(random).hex(40);
    this.#startedMs = clock.now();
  }

  async run(): Promise<number> {
    const { io } = { io: this.#io };
    this.#log("* oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    this.#log(`* Running mode=standalone, port=${this.#options.port}.`);
    const server = createTcpServer((socket) => this.#serve(socket));
    let registration;
    try {
      registration = await io.context.listen(this.#options.port, server);
    } catch (error) {
      throwIfTerminated(io.signal);
      this.#log(`# Warning: Could not create server TCP listening socket *:${this.#options.port}: bind: ${errnoText(errnoOf(error))}`);
      return 1;
    }
    this.#log("* Ready to accept connections tcp");
    if (this.#options.replicaOf) this.#follow(this.#options.replicaOf);
    await stopped(AbortSignal.any([io.signal, this.#stop.signal]));
    this.#log("# User requested shutdown...");
    await registration.close();
    this.#link?.abort();
    for (const client of this.#clients) client.socket.end();
    this.#log("# Redis is now ready to exit, bye bye...");
    return 0;
  }

  #log(text: string): void {
    const { clock } = this.#io.context;
    this.#io.stdout.write(
      `1:${this.#primary ? "S" : "M"} ${formatDate(clock.now(), "%d %b %Y %H:%M:%S")}.${String(clock.now() % 1000).padStart(3, "0")} ${text}\n`,
    );
  }

  #serve(socket: Duplex): void {
    const client: Client = { socket, database: 0, authenticated: this.#options.password === undefined };
    const reader = new RespReader();
    this.#clients.add(client);
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#clients.delete(client);
      this.#replicas.delete(client);
    });
    socket.once("end", () => socket.end());
    socket.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
        for (let words = reader.command(); words; words = reader.command()) {
          const reply = this.#execute(client, words);
          if (reply !== undefined) socket.write(encodeReply(reply));
        }
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        socket.end(encodeReply({ error: `ERR Protocol error: ${error.message}` }));
        socket.removeAllListeners("data");
        socket.resume();
      }
    });
  }

  #execute(client: Client, words: readonly Buffer[]): Reply | undefined {
    const name = String(words[0]).toUpperCase();
    const args = words.slice(1);
    this.#commands++;
    if (!client.authenticated && !["AUTH", "HELLO", "QUIT"].includes(name)) return { error: "NOAUTH Authentication required." };
    const data = dataCommands.get(name);
    if (!data) return this.#administer(client, name, args);
    const wrong = data.arity > 0 ? words.length !== data.arity : words.length < -data.arity;
    if (wrong) return { error: `ERR wrong number of arguments for '${name.toLowerCase()}' command` };
    if (data.writes && this.#primary) return { error: "READONLY You can't write against a read only replica." };
    const reply = data.run(this.#databases[client.database] ?? this.#database0(), args);
    if (data.writes) this.#propagate(client.database, words);
    return reply;
  }

  #database0(): Keyspace {
    const [first] = this.#databases;
    if (!first) throw new Error("redis has no database 0");
    return first;
  }

  #propagate(database: number, words: readonly Buffer[]): void {
    const bytes = Buffer.concat([encodeCommand(["SELECT", String(database)]), encodeCommand(words)]);
    this.#offset += bytes.length;
    for (const replica of this.#replicas) replica.socket.write(bytes);
  }

  #administer(client: Client, name: string, args: readonly Buffer[]): Reply | undefined {
    const [first, second] = args.map(String);
    const ok: Reply = { status: "OK" };
    switch (name) {
      case "PING":
        return first === undefined ? { status: "PONG" } : first;
      case "ECHO":
        return first ?? { error: "ERR wrong number of arguments for 'echo' command" };
      case "QUIT":
        client.socket.end(encodeReply(ok));
        return undefined;
      case "AUTH":
        if (this.#options.password === undefined)
          return {
            error:
              "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
          };
        client.authenticated = (second ?? first) === this.#options.password;
        return client.authenticated ? ok : { error: "WRONGPASS invalid username-password pair or user is disabled." };
      case "SELECT": {
        const index = Number(first);
        if (!/^\d+$/.test(first ?? "")) return { error: "ERR value is not an integer or out of range" };
        if (index >= DATABASES) return { error: "ERR DB index is out of range" };
        client.database = index;
        return ok;
      }
      case "FLUSHALL":
        if (this.#primary) return { error: "READONLY You can't write against a read only replica." };
        for (const [index, database] of this.#databases.entries()) {
          database.clear();
          this.#propagate(index, [Buffer.from("FLUSHDB")]);
        }
        return ok;
      case "INFO":
        return this.#info(first?.toLowerCase());
      case "ROLE":
        return this.#primary
          ? ["slave", this.#primary.host, this.#primary.port, this.#linkUp ? "connected" : "connect", this.#offset]
          : ["master", this.#offset, [...this.#replicas].map(() => [])];
      case "COMMAND":
        if (first?.toUpperCase() === "COUNT") return dataCommands.size;
        return first === undefined
          ? [...dataCommands].map(([command, { arity, writes }]) => [
              command.toLowerCase(),
              arity,
              [{ status: writes ? "write" : "readonly" }],
              1,
              1,
              1,
            ])
          : [];
      case "CLIENT":
        return /^(SETNAME|SETINFO|NO-EVICT|NO-TOUCH)$/i.test(first ?? "")
          ? ok
          : /^ID$/i.test(first ?? "")
            ? [...this.#clients].indexOf(client) + 1
            : /^GETNAME$/i.test(first ?? "")
              ? null
              : { error: `ERR unknown subcommand '${first ?? ""}'. Try CLIENT HELP.` };
      case "CONFIG":
        return /^GET$/i.test(first ?? "") ? this.#config(second ?? "") : { error: "ERR this stand-in has no settings to change" };
      case "TIME": {
        const now = this.#io.context.clock.now();
        return [String(Math.floor(now / 1000)), String((now % 1000) * 1000)];
      }
      case "REPLICAOF":
      case "SLAVEOF":
        if (/^no$/i.test(first ?? "") && /^one$/i.test(second ?? "")) this.#unfollow();
        else if (first === undefined || !/^\d+$/.test(second ?? "")) return { error: "ERR Invalid master port" };
        else this.#follow({ host: first, port: Number(second) });
        return ok;
      case "REPLCONF":
        return /^ACK$/i.test(first ?? "") ? undefined : ok;
      case "PSYNC":
      case "SYNC": {
        const commands = this.#databases.flatMap((database, index) => {
          const made = database.snapshot();
          return made.length === 0 ? [] : [["SELECT", String(index)], ...made];
        });
        const payload = Buffer.concat(commands.map(encodeCommand));
        client.socket.write(encodeReply({ status: `FULLRESYNC ${this.#id} ${this.#offset}` }));
        client.socket.write(encodeReply(payload));
        this.#replicas.add(client);
        this.#log("* Synchronization with replica succeeded");
        return undefined;
      }
      case "SHUTDOWN":
        this.#stop.abort();
        return undefined;
      default:
        return {
          error: `ERR unknown command '${name.slice(0, 128)}', with args beginning with: ${args
            .slice(0, 3)
            .map((arg) => `'${String(arg).slice(0, 128)}' `)
            .join("")}`,
        };
    }
  }

  #config(pattern: string): Reply {
    const values: Readonly<Record<string, string>> = {
      port: String(this.#options.port),
      databases: String(DATABASES),
      save: "",
      appendonly: "no",
      maxmemory: "0",
    };
    return Object.entries(values)
      .filter(([key]) => pattern === "*" || pattern === key)
      .flat();
  }

  #info(section: string | undefined): string {
    const all = section === undefined || section === "all" || section === "default" || section === "everything";
    const uptime = Math.floor((this.#io.context.clock.now() - this.#startedMs) / 1000);
    const keys = this.#databases.flatMap((database, index) =>
      database.keys().length > 0 ? [`db${index}:keys=${database.keys().length},expires=0,avg_ttl=0`] : [],
    );
    const replication = this.#primary
      ? [
          `role:slave`,
          `master_host:${this.#primary.host}`,
          `master_port:${this.#primary.port}`,
          `master_link_status:${this.#linkUp ? "up" : "down"}`,
          "slave_read_only:1",
        ]
      : ["role:master"];
    const sections: Readonly<Record<string, readonly string[]>> = {
      Server: [
        `redis_version:${this.#options.version}`,
        "redis_mode:standalone",
        "os:loopkube",
        "process_id:1",
        `tcp_port:${this.#options.port}`,
        `uptime_in_seconds:${uptime}`,
      ],
      Clients: [`connected_clients:${this.#clients.size - this.#replicas.size}`],
      Stats: [`total_commands_processed:${this.#commands}`],
      Replication: [
        ...replication,
        `connected_slaves:${this.#replicas.size}`,
        `master_replid:${this.#id}`,
        `master_repl_offset:${this.#offset}`,
      ],
      Keyspace: keys,
    };
    return Object.entries(sections)
      .filter(([name]) => all || name.toLowerCase() === section)
      .map(([name, lines]) => `# ${name}\r\n${lines.map((line) => `${line}\r\n`).join("")}`)
      .join("\r\n");
  }

  #unfollow(): void {
    this.#primary = undefined;
    this.#linkUp = false;
    this.#link?.abort();
  }

  #follow(primary: { readonly host: string; readonly port: number }): void {
    this.#link?.abort();
    this.#primary = primary;
    const link = new AbortController();
    this.#link = link;
    void this.#replicate(primary, AbortSignal.any([link.signal, this.#io.signal, this.#stop.signal]));
  }

  /** Connects to the primary again and again, takes its data, then its writes. */
  async #replicate(primary: { readonly host: string; readonly port: number }, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#log(`* Connecting to MASTER ${primary.host}:${primary.port}`);
      try {
        const socket = await this.#io.context.dial(primary.host, primary.port, { signal, timeoutMs: 60_000 });
        const onAbort = (): void => void socket.destroy();
        signal.addEventListener("abort", onAbort, { once: true });
        try {
          await this.#receive(socket);
        } finally {
          signal.removeEventListener("abort", onAbort);
          socket.destroy();
        }
        if (!signal.aborted) this.#log("# Connection with master lost.");
      } catch (error) {
        if (!signal.aborted)
          this.#log(`# Error condition on socket for SYNC: ${error instanceof ProtocolError ? error.message : errnoText(errnoOf(error))}`);
      }
      if (!signal.aborted) this.#linkUp = false;
      await sleep(this.#io.context.clock, 1000, signal).catch(() => {});
    }
  }

  async #receive(socket: Duplex): Promise<void> {
    socket.on("error", () => {});
    socket.write(encodeCommand(["PSYNC", "?", "-1"]));
    const reader = new RespReader();
    const link: Client = { socket, database: 0, authenticated: true };
    let phase: "head" | "data" | "stream" = "head";
    for await (const chunk of socket) {
      reader.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk)));
      while (phase !== "stream") {
        const reply = reader.reply();
        if (!reply) break;
        if (phase === "head") {
          const head = reply.value;
          if (typeof head !== "object" || head === null || !("status" in head) || !head.status.startsWith("FULLRESYNC"))
            throw new ProtocolError("the master does not replicate to this stand-in");
          phase = "data";
        } else {
          if (!Buffer.isBuffer(reply.value)) throw new ProtocolError("bad snapshot from the master");
          for (const database of this.#databases) database.clear();
          const snapshot = new RespReader();
          snapshot.push(reply.value);
          for (let words = snapshot.command(); words; words = snapshot.command()) this.#apply(link, words);
          link.database = 0;
          this.#linkUp = true;
          this.#log("* MASTER <-> REPLICA sync: Finished with success");
          phase = "stream";
        }
      }
      if (phase === "stream") for (let words = reader.command(); words; words = reader.command()) this.#apply(link, words);
    }
  }

  /** A write that came from the primary. */
  #apply(link: Client, words: readonly Buffer[]): void {
    const name = String(words[0]).toUpperCase();
    if (name === "SELECT") link.database = Number(String(words[1])) % DATABASES;
    else {
      dataCommands.get(name)?.run(this.#databases[link.database] ?? this.#database0(), words.slice(1));
      this.#propagate(link.database, words);
    }
  }
}
