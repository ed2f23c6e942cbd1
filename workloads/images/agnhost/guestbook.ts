// agnhost guestbook: a primary and replicas that keep one value over HTTP, and the front end that uses them by their Services' names.
// Upstream: test/images/agnhost/guestbook. Replicas register with the primary, which sends them every value.
import { sleep } from "../../../model/clock.ts";
import { parseGoFlags } from "../../tools/flags.ts";
import { fail, type Tool, type ToolIo } from "../../tools/tool.ts";
import { goLogTime } from "../go-text.ts";
import { answerText, clientOf, serveHttp, urlOf } from "../serve.ts";
import { dialHttp, type DialResult } from "./dial.ts";

interface Book {
  value: string;
  readonly replicas: Set<string>;
}

export const guestbook: Tool = async (argv, io) => {
  const flags = parseGoFlags(argv.slice(1), ["http-port", "backend-port", "replicaof", "slaveof"]);
  const httpPort = Number(flags.get("http-port") ?? 80);
  const backendPort = Number(flags.get("backend-port") ?? 6379);
  if (!Number.isInteger(httpPort) || !Number.isInteger(backendPort)) return fail(io, "Error: a port is not a number");
  const primary = flags.get("replicaof") ?? flags.get("slaveof");
  const book: Book = { value: "", replicas: new Set() };
  if (primary !== undefined) void register(primary, httpPort, backendPort, book, io);
  return serveHttp(io, httpPort, async (request, response) => {
    const url = urlOf(request);
    const json = (value: unknown): void => answerText(io, response, JSON.stringify(value));
    switch (url.pathname) {
      case "/register": {
        const host = url.searchParams.get("host") ?? clientOf(request).ip;
        book.replicas.add(host);
        io.stderr.write(`${goLogTime(io.context.clock.now())} Registering node ${host}\n`);
        return json({ data: book.value });
      }
      case "/get":
        return json({ data: book.value });
      case "/set":
        book.value = url.searchParams.get("value") ?? "";
        await Promise.all([...book.replicas].map((host) => dialHttp(host, httpPort, `/set?value=${encodeURIComponent(book.value)}`, io)));
        return json({ message: "Updated" });
      case "/guestbook": {
        const set = url.searchParams.get("cmd") === "set";
        const path = set ? `/set?value=${encodeURIComponent(url.searchParams.get("value") ?? "")}` : "/get";
        const result: DialResult = await dialHttp(set ? "agnhost-primary" : "agnhost-replica", backendPort, path, io);
        return "response" in result
          ? answerText(io, response, result.response)
          : answerText(io, response, JSON.stringify({ error: result.error }), 417);
      }
      default:
        return answerText(io, response, "", 404);
    }
  });
};

async function register(primary: string, httpPort: number, backendPort: number, book: Book, io: ToolIo): Promise<void> {
  while (!io.signal.aborted) {
    const result = await dialHttp(primary, backendPort, `/register?host=${io.context.peer.ip}`, io).catch((): DialResult => ({
      error: "stopped",
    }));
    if ("response" in result) {
      const data: unknown = safeJson(result.response);
      if (typeof data === "object" && data !== null && "data" in data && typeof data.data === "string") book.value = data.data;
      return;
    }
    io.stderr.write(`${goLogTime(io.context.clock.now())} Cannot register with ${primary}: ${result.error}\n`);
    await sleep(io.context.clock, 1000, io.signal).catch(() => {});
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
