// traefik/whoami: the request and the server's identity as text; /api, /health, /data, /bench, /echo (WebSocket).
// Flags --port, --name, --verbose; env WHOAMI_PORT_NUMBER, WHOAMI_NAME. Leaves out TLS and gRPC.
import { WebSocketServer } from "ws";
import { ipsOf } from "../kubelet/downward-api.ts";
import { FlagError, parseGoFlags } from "../tools/flags.ts";
import { sleep } from "../../model/clock.ts";
import { fail, type NamedTool, type ToolIo } from "../tools/tool.ts";
import { goLogTime, parseGoDuration } from "./go-text.ts";
import type { ImageSpec } from "./image.ts";
import { type Handler } from "../http/index.ts";
import { answer, answerText, bodyOf, canonicalHeaders, clientOf, serveHttp, urlOf } from "./serve.ts";

const CONTENT = "|ABCDEFGHIJKLMNOPQRSTUVWXYZ-";
const UNITS: Readonly<Record<string, number>> = { "": 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3, tb: 1024 ** 4 };
const DATA_LIMIT = 64 * 1024 * 1024;

function handler(io: ToolIo, name: string, verbose: boolean): Handler {
  let health = 200;
  const ips = ["127.0.0.1", ...ipsOf(io.context.peer)];
  return async (request, response) => {
    const url = urlOf(request);
    if (verbose)
      io.stdout.write(
        `${goLogTime(io.context.clock.now())} ${clientOf(request).text} - "${request.method ?? ""} ${request.url ?? ""} HTTP/${request.httpVersion}"\n`,
      );
    switch (url.pathname) {
      case "/bench":
        return answer(
          response,
          200,
          [
            ["Connection", "keep-alive"],
            ["Content-Type", "text/plain"],
          ],
          "1",
        );
      case "/health":
        if (request.method !== "POST") return answerText(io, response, "", health);
        health = Number((await bodyOf(request)).toString()) || 500;
        return answerText(io, response, "");
      case "/data": {
        const size = Number(url.searchParams.get("size") ?? 1) * (UNITS[(url.searchParams.get("unit") ?? "").toLowerCase()] ?? 1);
        if (!Number.isFinite(size) || size < 0 || size > DATA_LIMIT)
          return answerText(io, response, `size must be between 0 and ${DATA_LIMIT} here\n`, 400);
        const disposition = url.searchParams.get("attachment") === "true" ? ([["Content-Disposition", "Attachment"]] as const) : [];
        const text =
          size < 2
            ? "|".repeat(size)
            : `|${CONTENT.slice(1)
                .repeat(Math.ceil(size / (CONTENT.length - 1)))
                .slice(0, size - 2)}|`;
        return answerText(io, response, text, 200, [...disposition, ["Content-Type", "text/plain; charset=utf-8"]]);
      }
    }
    const wait = parseGoDuration(url.searchParams.get("wait") ?? "");
    if (wait !== undefined && wait > 0) await sleep(io.context.clock, wait);
    const headers = canonicalHeaders(request).filter(([header]) => header !== "Host");
    if (url.pathname === "/api") {
      const data = {
        hostname: io.context.hostname,
        ip: ips,
        headers: Object.fromEntries(headers),
        url: request.url,
        host: request.headers.host ?? "",
        method: request.method,
        ...(name === "" ? {} : { name }),
        remoteAddr: clientOf(request).text,
      };
      return answerText(io, response, `${JSON.stringify(data)}\n`, 200, [["Content-Type", "application/json"]]);
    }
    const lines = [
      ...(name === "" ? [] : [`Name: ${name}`]),
      `Hostname: ${io.context.hostname}`,
      ...ips.map((ip) => `IP: ${ip}`),
      `RemoteAddr: ${clientOf(request).text}`,
    ];
    const agent = headers.find(([header]) => header === "User-Agent");
    const sent = [...(agent ? [agent] : []), ...headers.filter((header) => header !== agent)].flatMap(([header, values]) =>
      values.map((value) => `${header}: ${value}\r\n`),
    );
    const wire = `${request.method ?? "GET"} ${request.url ?? "/"} HTTP/1.1\r\nHost: ${request.headers.host ?? ""}\r\n${sent.join("")}\r\n`;
    const body = url.pathname === "/" || Number(request.headers["content-length"] ?? 0) === 0 ? "" : (await bodyOf(request)).toString();
    answerText(io, response, `${lines.join("\n")}\n${wire}${body}`);
  };
}

const program: NamedTool = {
  name: "whoami",
  async run(argv, io) {
    let flags;
    try {
      flags = parseGoFlags(argv.slice(1), ["port", "name", "cert", "key", "cacert"], ["verbose"]);
    } catch (error) {
      if (!(error instanceof FlagError)) throw error;
      return fail(
        io,
        `flag ${error.kind === "unknown" ? "provided but not defined" : "needs an argument"}: -${error.flag}\nUsage of /whoami:\n  -name string\n  -port string\n  -verbose`,
        2,
      );
    }
    if (flags.has("cert") || flags.has("key")) return fail(io, "whoami: this stand-in serves no TLS");
    const port = Number(flags.get("port") ?? io.env["WHOAMI_PORT_NUMBER"] ?? 80);
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      return fail(io, `listen tcp: lookup tcp/${flags.get("port") ?? ""}: unknown port`);
    const sockets = new WebSocketServer({ noServer: true });
    return serveHttp(io, port, handler(io, flags.get("name") ?? io.env["WHOAMI_NAME"] ?? "", flags.has("verbose")), {
      onUpgrade(request, socket, head) {
        if (urlOf(request).pathname !== "/echo") return void socket.destroy();
        sockets.handleUpgrade(request, socket, head, (client) =>
          client.on("message", (data, isBinary) => client.send(data, { binary: isBinary })),
        );
      },
      onListening: () => void io.stdout.write(`${goLogTime(io.context.clock.now())} Starting up on port ${port}\n`),
    });
  },
};

export const whoami: ImageSpec = {
  repositories: ["traefik/whoami", "containous/whoami"],
  entrypoint: ["/whoami"],
  ports: [80],
  programs: [program],
};
