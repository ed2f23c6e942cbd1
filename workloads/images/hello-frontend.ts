// The two images of the "connect a front end to a back end" tutorial: nginx that proxies to http://hello, and the Go back end.
import { request as httpRequest } from "node:http";
import { Readable } from "node:stream";
import { answerFrom } from "../http/index.ts";
import { errnoOf, errnoText, fail, isLookupError, type NamedTool } from "../tools/tool.ts";
import { formatDate } from "../tools/date.ts";
import type { ImageSpec } from "./image.ts";
import { accessLine, answerNginx, errorPage, nginxServeOptions } from "./nginx.ts";
import { answerText, clientOf, serveHttp } from "./serve.ts";

const VERSION = "1.14.0";

const frontend: NamedTool = {
  name: "nginx",
  async run(_argv, io) {
    let ips: readonly string[];
    try {
      ips = await io.context.lookup("hello");
    } catch (error) {
      if (!isLookupError(error)) throw error;
      return fail(
        io,
        `${formatDate(io.context.clock.now(), "%Y/%m/%d %H:%M:%S")} [emerg] 1#1: host not found in upstream "hello" in /etc/nginx/conf.d/frontend.conf:4\nnginx: [emerg] host not found in upstream "hello" in /etc/nginx/conf.d/frontend.conf:4`,
      );
    }
    const [ip = ""] = ips;
    return serveHttp(
      io,
      80,
      async (request, response) => {
        const gone = (error: unknown): void => {
          if (response.headersSent) return void response.destroy();
          io.stderr.write(
            `${formatDate(io.context.clock.now(), "%Y/%m/%d %H:%M:%S")} [error] 29#29: *1 connect() failed (111: ${errnoText(errnoOf(error))}) while connecting to upstream, client: ${clientOf(request).ip}, upstream: "http://${ip}:80${request.url ?? "/"}"\n`,
          );
          answerNginx(io, request, response, VERSION, 502, "text/html", errorPage(502, "Bad Gateway", VERSION));
        };
        let socket;
        try {
          socket = await io.context.dial(ip, 80, { timeoutMs: 60_000 });
        } catch (error) {
          return gone(error);
        }
        const connection = socket;
        const headers = { ...request.headers, host: "hello", connection: "close" };
        const upstream = httpRequest({
          method: request.method ?? "GET",
          path: request.url ?? "/",
          headers,
          createConnection: () => connection,
        });
        upstream.on("error", gone);
        upstream.on("response", (message) => {
          const {
            connection: _connection,
            "keep-alive": _keepAlive,
            "transfer-encoding": _encoding,
            server: _server,
            ...rest
          } = message.headers;
          response.writeHead(message.statusCode ?? 502, { Server: `nginx/${VERSION}`, ...rest });
          let bytes = 0;
          message.on("data", (chunk: Buffer) => (bytes += chunk.length));
          message.on("end", () => void io.stdout.write(accessLine(request, message.statusCode ?? 502, bytes, io.context.clock.now())));
          answerFrom(message, response).catch(() => response.destroy());
        });
        response.once("close", () => upstream.destroy());
        Readable.from(request).pipe(upstream);
      },
      nginxServeOptions(io, VERSION),
    );
  },
};

const backend: NamedTool = {
  name: "hello-go",
  run: (_argv, io) =>
    serveHttp(io, 80, (_request, response) =>
      answerText(io, response, '{"message":"Hello"}\n', 200, [["Content-Type", "application/json"]]),
    ),
};

export const helloFrontend: ImageSpec = {
  repositories: ["google-samples/hello-frontend", "google-samples/containers/gke/hello-frontend"],
  cmd: ["nginx", "-g", "daemon off;"],
  ports: [80],
  programs: [frontend],
};
export const helloBackend: ImageSpec = {
  repositories: ["google-samples/hello-go-gke", "google-samples/containers/gke/hello-go-gke"],
  entrypoint: ["/hello-go"],
  ports: [80],
  programs: [backend],
};
