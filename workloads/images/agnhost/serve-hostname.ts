// agnhost serve-hostname: the hostname over HTTP, raw TCP or UDP. Upstream: test/images/agnhost/serve-hostname.
import { createTcpServer } from "../../../netsim/tcp-server.ts";
import { parseGoFlags } from "../../tools/flags.ts";
import { errnoOf, errnoText, fail, type Tool } from "../../tools/tool.ts";
import { goLogTime } from "../go-text.ts";
import { answerText, clientOf, serveHttp, stopped } from "../serve.ts";

export const serveHostname: Tool = async (argv, io) => {
  const flags = parseGoFlags(argv.slice(1), ["port"], ["http", "tcp", "udp", "close"]);
  const port = Number(flags.get("port") ?? 9376);
  const tcp = flags.get("tcp") === "true";
  const udp = flags.get("udp") === "true";
  const http = flags.get("http") !== "false";
  const { context } = io;
  const log = (text: string): void => void io.stderr.write(`${goLogTime(context.clock.now())} ${text}\n`);
  if (!Number.isInteger(port) || port < 1 || port > 65535) return fail(io, 'Error: invalid argument for "--port" flag');
  if (http && (tcp || udp)) return fail(io, "Only one of http, tcp and udp may be set unless http is false");
  if (!http && !tcp && !udp) return fail(io, "At least one of http, tcp and udp must be set");
  if (http) {
    log("Serving on port " + port + ".");
    return serveHttp(io, port, (request, response) => {
      log(`HTTP request from ${clientOf(request).text}`);
      if (flags.get("close") === "true") response.shouldKeepAlive = false;
      answerText(io, response, context.hostname);
    });
  }
  const registrations = [];
  try {
    if (udp)
      registrations.push(
        await context.listenUdp(
          port,
          (_message, source, reply) => (log(`UDP request from ${source.ip}:${source.port}`), reply(Buffer.from(`${context.hostname}\n`))),
        ),
      );
    if (tcp) {
      const server = createTcpServer((socket) => {
        socket.on("error", () => {});
        socket.resume();
        socket.end(`${context.hostname}\n`);
      });
      registrations.push(await context.listen(port, server));
    }
  } catch (error) {
    for (const registration of registrations) await registration.close();
    return fail(io, `Failed to listen on port ${port}: ${errnoText(errnoOf(error))}`);
  }
  log(`Serving ${[tcp ? "TCP" : "", udp ? "UDP" : ""].filter((name) => name !== "").join(" and ")} on port ${port}.`);
  await stopped(io.signal);
  for (const registration of registrations) await registration.close();
  return 0;
};
