// Four programs that say hello: google-samples/hello-app and node-hello, kubernetes-bootcamp, and luksa/kubia of the textbook.
import type { NamedTool } from "../tools/tool.ts";
import { goLogTime } from "./go-text.ts";
import { imageTag, type ImageSpec } from "./image.ts";
import { answerText, clientOf, serveHttp } from "./serve.ts";

const TEXT = [["Content-Type", "text/plain"]] as const;

/** The port in $PORT, else the program's own. */
function portOf(env: Readonly<Record<string, string>>, otherwise: number): number {
  const port = Number(env["PORT"]);
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : otherwise;
}

const helloAppProgram: NamedTool = {
  name: "hello-app",
  run(_argv, io) {
    const port = portOf(io.env, 8080);
    const version = /^v?2\b/.test(imageTag(io.context)) ? "2.0.0" : "1.0.0";
    const log = (text: string): void => void io.stderr.write(`${goLogTime(io.context.clock.now())} ${text}\n`);
    return serveHttp(
      io,
      port,
      (request, response) => {
        log(`Serving request: ${request.url?.split("?")[0] ?? "/"}`);
        answerText(io, response, `Hello, world!\nVersion: ${version}\nHostname: ${io.context.hostname}\n`);
      },
      { onListening: () => log(`Server listening on port ${port}`) },
    );
  },
};

const nodeHelloProgram: NamedTool = {
  name: "node",
  run: (_argv, io) =>
    serveHttp(
      io,
      8080,
      (request, response) => (
        io.stdout.write(`Received request for URL: ${request.url ?? "/"}\n`),
        answerText(io, response, "Hello Kubernetes!", 200, [])
      ),
      { keepAliveMs: 5000 },
    ),
};

const bootcampProgram: NamedTool = {
  name: "node",
  run(_argv, io) {
    const version = /^v?2/.test(imageTag(io.context)) ? 2 : 1;
    const { clock, hostname } = io.context;
    const startedMs = clock.now();
    let requests = 0;
    return serveHttp(
      io,
      8080,
      (_request, response) => {
        answerText(io, response, `Hello Kubernetes bootcamp! | Running on: ${hostname} | v=${version}\n`, 200, TEXT);
        io.stdout.write(
          `Running On: ${hostname} | Total Requests: ${++requests} | App Uptime: ${(clock.now() - startedMs) / 1000} seconds | Log Time: ${new Date(clock.now()).toString()}\n`,
        );
      },
      {
        keepAliveMs: 5000,
        onListening: () =>
          void io.stdout.write(`Kubernetes Bootcamp App Started At: ${new Date(startedMs).toISOString()} | Running On:  ${hostname}\n\n`),
      },
    );
  },
};

const kubiaProgram: NamedTool = {
  name: "node",
  run(_argv, io) {
    const { hostname } = io.context;
    const version = /^v(\d+)/.exec(imageTag(io.context))?.[1];
    const hit = version === undefined ? `You've hit ${hostname}\n` : `This is v${version} running in pod ${hostname}\n`;
    return serveHttp(
      io,
      8080,
      (request, response) => (io.stdout.write(`Received request from ${clientOf(request).ip}\n`), answerText(io, response, hit)),
      {
        keepAliveMs: 5000,
        onListening: () => void io.stdout.write("Kubia server starting...\n"),
      },
    );
  },
};

export const helloApp: ImageSpec = {
  repositories: ["google-samples/hello-app", "google-samples/containers/gke/hello-app"],
  entrypoint: ["/hello-app"],
  ports: [8080],
  programs: [helloAppProgram],
};
export const nodeHello: ImageSpec = {
  repositories: ["google-samples/node-hello", "google-samples/containers/gke/node-hello"],
  entrypoint: ["node", "server.js"],
  ports: [8080],
  programs: [nodeHelloProgram],
};
export const bootcamp: ImageSpec = {
  repositories: ["google-samples/kubernetes-bootcamp", "jocatalin/kubernetes-bootcamp"],
  entrypoint: ["node", "server.js"],
  ports: [8080],
  programs: [bootcampProgram],
};
export const kubia: ImageSpec = { repositories: ["luksa/kubia"], entrypoint: ["node", "app.js"], ports: [8080], programs: [kubiaProgram] };
