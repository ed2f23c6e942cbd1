// registry.k8s.io/echoserver: what was received, as text, on port 8080; tags 1.4 and older print the older layout. HTTPS is left out.
// ingress-nginx/e2e-test-echo is its successor on port 80.
import type { NamedTool, ToolIo } from "../tools/tool.ts";
import { imageTag, type ImageSpec } from "./image.ts";
import { accessLine } from "./nginx.ts";
import { httpDate, type HttpRequest } from "../http/index.ts";
import { answer, bodyOf, clientOf, serveHttp, urlOf } from "./serve.ts";

function headerLines(request: HttpRequest, indent: string): string {
  return Object.entries(request.headers)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${indent}${name}=${Array.isArray(value) ? value.join(", ") : (value ?? "")}\n`)
    .join("");
}

function podInformation(io: ToolIo): string {
  const fields = [
    ["node name", "NODE_NAME"],
    ["pod name", "POD_NAME"],
    ["pod namespace", "POD_NAMESPACE"],
    ["pod IP", "POD_IP"],
  ] as const;
  const known = fields.filter(([, name]) => io.env[name] !== undefined);
  return known.length === 0
    ? "\t-no pod information available-\n"
    : known.map(([label, name]) => `\t${label}:\t${io.env[name] ?? ""}\n`).join("");
}

interface Layout {
  readonly port: number;
  readonly start: string;
  readonly versions: string;
}
const ECHOSERVER: Layout = { port: 8080, start: "\n\n", versions: "nginx: 1.13.3 - lua: 10008" };
const E2E_TEST_ECHO: Layout = { port: 80, start: "\n", versions: "nginx: 1.27.1 - lua: 10028" };

/** The text of the answer. */
function report(io: ToolIo, request: HttpRequest, body: string, layout: Layout | "old"): string {
  const url = urlOf(request);
  const port = layout === "old" ? 8080 : layout.port;
  const uri = `http://${(request.headers.host ?? "localhost").split(":")[0] ?? ""}:${port}${request.url ?? "/"}`;
  if (layout === "old") {
    const query = url.search === "" ? "nil" : url.search.slice(1);
    return (
      `CLIENT VALUES:\nclient_address=${clientOf(request).ip}\ncommand=${request.method ?? ""}\nreal path=${request.url ?? "/"}\nquery=${query}\nrequest_version=${request.httpVersion}\nrequest_uri=${uri}\n\n` +
      `SERVER VALUES:\nserver_version=nginx: 1.10.0 - lua: 10001\n\nHEADERS RECEIVED:\n${headerLines(request, "")}BODY:\n${body === "" ? "-no body in request-" : body}`
    );
  }
  return (
    `${layout.start}Hostname: ${io.context.hostname}\n\nPod Information:\n${podInformation(io)}\nServer values:\n\tserver_version=${layout.versions}\n\n` +
    `Request Information:\n\tclient_address=${clientOf(request).ip}\n\tmethod=${request.method ?? ""}\n\treal path=${request.url ?? "/"}\n\tquery=${url.search.slice(1)}\n\trequest_version=${request.httpVersion}\n\trequest_scheme=http\n\trequest_uri=${uri}\n\n` +
    `Request Headers:\n${headerLines(request, "\t")}\nRequest Body:\n${body === "" ? "\t-no body in request-" : body}\n\n`
  );
}

const program = (layout: Layout): NamedTool => ({
  name: layout === ECHOSERVER ? "run.sh" : "nginx",
  run(_argv, io) {
    const old = layout === ECHOSERVER && /^1\.[0-4]$/.test(imageTag(io.context));
    const server = old ? "nginx/1.10.0" : "echoserver";
    return serveHttp(
      io,
      layout.port,
      async (request, response) => {
        const text = report(io, request, (await bodyOf(request)).toString(), old ? "old" : layout);
        const now = io.context.clock.now();
        const hsts = layout === E2E_TEST_ECHO && urlOf(request).searchParams.get("hsts") === "true";
        answer(
          response,
          200,
          [
            ["Date", httpDate(now)],
            ["Content-Type", "text/plain"],
            ["Connection", response.shouldKeepAlive ? "keep-alive" : "close"],
            ...(hsts ? [["Strict-Transport-Security", "max-age=3600; preload"] as const] : []),
            ["Server", server],
          ],
          text,
        );
        io.stdout.write(accessLine(request, 200, Buffer.byteLength(text), now).replace(/ "[^"]*"\n$/, "\n"));
      },
      { keepAliveMs: layout === ECHOSERVER ? 75_000 : 620_000 },
    );
  },
});

export const echoserver: ImageSpec = {
  repositories: [
    "echoserver",
    "google_containers/echoserver",
    "google-containers/echoserver",
    "e2e-test-images/echoserver",
    "cilium/echoserver",
  ],
  cmd: ["/usr/local/bin/run.sh"],
  ports: [8080, 8443],
  programs: [program(ECHOSERVER)],
};

export const e2eTestEcho: ImageSpec = {
  repositories: ["ingress-nginx/e2e-test-echo", "k8s-staging-ingress-nginx/e2e-test-echo", "e2e-test-images/e2e-test-echo"],
  cmd: ["nginx", "-g", "daemon off;"],
  ports: [80],
  programs: [program(E2E_TEST_ECHO)],
};
