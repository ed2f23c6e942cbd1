// Asking a redis server: one command on one connection, for the guestbook's front end, and redis-cli.
import type { Duplex } from "node:stream";
import { FlagError, parseGetopt } from "../../tools/flags.ts";
import { readAll } from "../../tools/streams.ts";
import { errnoOf, errnoText, fail, isLookupError, orTerminated, type NamedTool, type ToolIo } from "../../tools/tool.ts";
import { encodeCommand, RespReader, type Reply } from "./resp.ts";

/** Runs commands on one connection and resolves with their replies. Rejects with the connection's errno error. */
export async function askRedis(
  host: string,
  port: number,
  commands: readonly (readonly string[])[],
  io: ToolIo,
  timeoutMs = 5000,
): Promise<readonly Reply[]> {
  const socket = await io.context.dial(host, port, { signal: io.signal, timeoutMs });
  const timer = io.context.clock.after(timeoutMs, () => socket.destroy(Object.assign(new Error("ETIMEDOUT"), { code: "ETIMEDOUT" })));
  try {
    return await orTerminated(talk(socket, commands), io.signal);
  } finally {
    timer.cancel();
    socket.destroy();
  }
}

async function talk(socket: Duplex, commands: readonly (readonly string[])[]): Promise<readonly Reply[]> {
  const reader = new RespReader();
  const replies: Reply[] = [];
  for (const words of commands) socket.write(encodeCommand(words));
  for await (const chunk of socket) {
    reader.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk)));
    for (let reply = reader.reply(); reply; reply = reader.reply()) replies.push(reply.value);
    if (replies.length >= commands.length) return replies;
  }
  throw Object.assign(new Error("ECONNRESET"), { code: "ECONNRESET" });
}

/** A reply as redis-cli prints it: with types on a terminal, bare otherwise. */
export function printReply(reply: Reply, raw: boolean, indent = ""): string {
  if (reply === null) return raw ? "\n" : "(nil)\n";
  if (typeof reply === "number") return raw ? `${reply}\n` : `(integer) ${reply}\n`;
  if (typeof reply === "string" || Buffer.isBuffer(reply))
    return raw || /^# \w+\r\n/.test(String(reply)) ? `${String(reply)}\n` : `${JSON.stringify(String(reply))}\n`;
  if ("status" in reply) return `${reply.status}\n`;
  if ("error" in reply) return raw ? `${reply.error}\n\n` : `(error) ${reply.error}\n`;
  if (reply.length === 0) return raw ? "\n" : "(empty array)\n";
  return reply
    .map((item, index) =>
      raw ? printReply(item, raw) : `${index > 0 ? indent : ""}${index + 1}) ${printReply(item, raw, `${indent}   `)}`,
    )
    .join("");
}

export const redisCli: NamedTool = {
  name: "redis-cli",
  async run(argv, io) {
    let flags;
    try {
      flags = parseGetopt(argv.slice(1), "h:p:n:a:x", { raw: "r", "no-raw": "R", "no-auth-warning": "q" }, true);
    } catch (error) {
      if (!(error instanceof FlagError)) throw error;
      return fail(io, `Unrecognized option or bad number of args for: '-${error.flag}'`);
    }
    const host = flags.get("h") ?? "127.0.0.1";
    const port = Number(flags.get("p") ?? 6379);
    const raw = flags.has("r") || (!io.tty && !flags.has("R"));
    const before = [
      ...(flags.has("a") ? [["AUTH", flags.get("a") ?? ""]] : []),
      ...(flags.has("n") ? [["SELECT", flags.get("n") ?? "0"]] : []),
    ];
    const commands =
      flags.rest.length > 0
        ? [flags.rest]
        : (await readAll(io.stdin, io.signal))
            .toString()
            .split("\n")
            .map((line) => line.trim().split(/\s+/))
            .filter(([word]) => word !== undefined && word !== "");
    if (commands.length === 0) return 0;
    try {
      const replies = await askRedis(host, port, [...before, ...commands], io);
      for (const reply of replies.slice(before.length)) io.stdout.write(printReply(reply, raw));
      return Number(replies.slice(before.length).some((reply) => typeof reply === "object" && reply !== null && "error" in reply && raw));
    } catch (error) {
      if (isLookupError(error)) return fail(io, `Could not connect to Redis at ${host}:${port}: Name or service not known`);
      if (errnoOf(error) === undefined) throw error;
      return fail(io, `Could not connect to Redis at ${host}:${port}: ${errnoText(errnoOf(error))}`);
    }
  },
};
