// jmalloc/echo-server and minikube's kicbase/echo-server: the request as text, and a WebSocket echo on the same port. Leaves out SSE.
import { type HttpRequest } from "../http/index.ts";
import { WebSocketServer } from "ws";
import type { NamedTool } from "../tools/tool.ts";
import type { ImageSpec } from "./image.ts";
import { answerText, bodyOf, canonicalHeaders, clientOf, serveHttp } from "./serve.ts";

function wire(request: HttpRequest, body: string): string {
  const headers = canonicalHeaders(request).filter(([name]) => name !== "Host");
  const lines = headers.flatMap(([name, values]) => values.map((value) => `${name}: ${value}\n`));
  return `${request.method ?? "GET"} ${request.url ?? "/"} HTTP/${request.httpVersion}\n\nHost: ${request.headers.host ?? ""}\n${lines.join("")}\n${body}`;
}

const program: NamedTool = {
  name: "echo-server",
  run(_argv, io) {
    const port = Number(io.env["PORT"] ?? 8080) || 8080;
    const named = io.env["SEND_SERVER_HOSTNAME"] !== "false";
    const served = `Request served by ${io.context.hostname}`;
    const sockets = new WebSocketServer({ noServer: true });
    return serveHttp(
      io,
      port,
      async (request, response) => {
        io.stdout.write(`${clientOf(request).text} | ${request.method ?? ""} ${request.url ?? "/"}\n`);
        const body = (await bodyOf(request)).toString();
        answerText(io, response, `${named ? `${served}\n\n` : ""}${wire(request, body)}`, 200, [["Content-Type", "text/plain"]]);
      },
      {
        onUpgrade(request, socket, head) {
          sockets.handleUpgrade(request, socket, head, (client) => {
            io.stdout.write(`${clientOf(request).text} | upgraded to websocket\n`);
            if (named) client.send(served);
            client.on("message", (data, isBinary) => client.send(data, { binary: isBinary }));
            client.on("error", () => {});
          });
        },
        onListening: () => void io.stdout.write(`Echo server listening on port ${port}.\n`),
      },
    );
  },
};

export const jmallocEcho: ImageSpec = {
  repositories: ["jmalloc/echo-server", "kicbase/echo-server"],
  entrypoint: ["/bin/echo-server"],
  ports: [8080],
  programs: [program],
};
