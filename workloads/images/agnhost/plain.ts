// The short subcommands of agnhost: pause, dns-suffix, dns-server-list, etc-hosts, test-webserver, liveness, tcp-reset, entrypoint-tester.
import type { Duplex } from "node:stream";
import { createTcpServer } from "../../../netsim/tcp-server.ts";
import { parseGoFlags } from "../../tools/flags.ts";
import { write } from "../../tools/streams.ts";
import { errnoOf, errnoText, fail, type Tool } from "../../tools/tool.ts";
import { answerText, serveHttp, stopped } from "../serve.ts";
import { findFile } from "../static-site.ts";

export const pause: Tool = async (_argv, io) => {
  await write(io, "Paused\n");
  await stopped(io.signal);
  return 0;
};

export const dnsSuffix: Tool = async (_argv, io) => {
  await write(io, `${io.context.resolvConf.searches.join(",")}\n`);
  return 0;
};

export const dnsServerList: Tool = async (_argv, io) => {
  await write(io, `${io.context.resolvConf.nameservers.join(",")}\n`);
  return 0;
};

export const etcHosts: Tool = async (_argv, io) => {
  await write(io, io.files.read("/etc/hosts") ?? "");
  return 0;
};

export const entrypointTester: Tool = async (argv, io) => {
  await write(io, `[/agnhost ${argv.join(" ")}]\n`);
  return 0;
};

/** Every file of the container on port 80. */
export const testWebserver: Tool = (argv, io) => {
  const port = Number(parseGoFlags(argv.slice(1), ["port"]).get("port") ?? 80);
  return serveHttp(io, port, (request, response) => {
    const found = findFile(request, "/", io, true);
    if (found.type === "file")
      return answerText(
        io,
        response,
        found.text,
        200,
        found.contentType === "application/octet-stream" ? [] : [["Content-Type", `${found.contentType}; charset=utf-8`]],
      );
    if (found.type === "redirect") return answerText(io, response, "", 301, [["Location", found.to]]);
    if (found.type === "listing")
      return answerText(io, response, `<pre>\n${found.names.map((name) => `<a href="${encodeURI(name)}">${name}</a>\n`).join("")}</pre>\n`);
    answerText(io, response, "404 page not found\n", 404);
  });
};

const HEALTHY_MS = 10_000;

/** /healthz is 200 for ten seconds after the start, then 500. */
export const liveness: Tool = (argv, io) => {
  parseGoFlags(argv.slice(1), []);
  const { clock } = io.context;
  const start = clock.monotonic();
  return serveHttp(io, 8080, (request, response) => {
    if (request.url === "/started") return answerText(io, response, new Date(clock.now() - (clock.monotonic() - start)).toISOString());
    if (request.url?.startsWith("/redirect"))
      return answerText(io, response, "", 302, [["Location", new URL(request.url, "http://x").searchParams.get("loc") ?? "/"]]);
    const age = clock.monotonic() - start;
    if (age > HEALTHY_MS) answerText(io, response, `error: ${age / 1000}`, 500);
    else answerText(io, response, "ok");
  });
};

function hasReset(socket: Duplex): socket is Duplex & { resetAndDestroy(): void } {
  return "resetAndDestroy" in socket && typeof socket.resetAndDestroy === "function";
}

/** Reads one byte of each connection, then resets it. */
export const tcpReset: Tool = async (argv, io) => {
  const port = Number(parseGoFlags(argv.slice(1), ["port"]).get("port") ?? 8080);
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => (hasReset(socket) ? socket.resetAndDestroy() : socket.destroy()));
  });
  try {
    const registration = await io.context.listen(port, server);
    await stopped(io.signal);
    await registration.close();
    return 0;
  } catch (error) {
    return fail(io, `tcp-reset: ${errnoText(errnoOf(error))}`);
  }
};
