// ealen/echo-server: the request as JSON; query echo_code, echo_body, echo_time, echo_header, or X-ECHO-* headers, shape the answer.
import { sleep } from "../../model/clock.ts";
import type { NamedTool } from "../tools/tool.ts";
import type { ImageSpec } from "./image.ts";
import { answer, bodyOf, clientOf, serveHttp, urlOf } from "./serve.ts";

function parseBody(text: string, type: string): unknown {
  if (text === "") return {};
  if (type.includes("json")) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return type.includes("x-www-form-urlencoded") ? Object.fromEntries(new URLSearchParams(text)) : text;
}

const program: NamedTool = {
  name: "node",
  run(_argv, io) {
    const port = Number(io.env["PORT"] ?? 80) || 80;
    return serveHttp(
      io,
      port,
      async (request, response) => {
        const url = urlOf(request);
        const command = (name: string): string | undefined => {
          const header = request.headers[`x-echo-${name}`];
          return url.searchParams.get(`echo_${name}`) ?? (Array.isArray(header) ? header[0] : header);
        };
        const body = (await bodyOf(request)).toString();
        const codes = (command("code") ?? "200").split("-").map(Number);
        const code = codes[io.context.random.int(codes.length)] ?? 200;
        const wait = Math.min(30_000, Number(command("time") ?? 0) || 0);
        if (wait > 0) await sleep(io.context.clock, wait);
        const extra = (command("header") ?? "")
          .split(/,\s*/)
          .map((pair) => pair.split(/:\s*/))
          .filter(([name, value]) => name !== undefined && /^[\w-]+$/.test(name) && value !== undefined);
        const text = command("body");
        const report = {
          host: { hostname: url.hostname, ip: clientOf(request).ip, ips: [] },
          http: { method: request.method, baseUrl: "", originalUrl: request.url, protocol: "http" },
          request: {
            params: { "0": url.pathname },
            query: Object.fromEntries(url.searchParams),
            cookies: Object.fromEntries(new URLSearchParams((request.headers.cookie ?? "").replaceAll(/;\s*/g, "&"))),
            body: parseBody(body, request.headers["content-type"] ?? ""),
            headers: request.headers,
          },
          environment: { ...io.env },
        };
        const headers = extra.map(([name = "", value = ""]) => [name, value] as const);
        const type = text === undefined ? "application/json; charset=utf-8" : "text/html; charset=utf-8";
        const status = Number.isInteger(code) && code >= 200 && code <= 599 ? code : 200;
        answer(response, status, [...headers, ["Content-Type", type]], text ?? JSON.stringify(report));
        io.stdout.write(
          `{"name":"echo-server","hostname":${JSON.stringify(io.context.hostname)},"pid":1,"level":30,"msg":${JSON.stringify(`[${request.method ?? ""}] - ${request.url ?? "/"}`)},"time":"${new Date(io.context.clock.now()).toISOString()}","v":0}\n`,
        );
      },
      { keepAliveMs: 5000, onListening: () => void io.stdout.write(`Listening on port ${port}.\n`) },
    );
  },
};

export const ealenEcho: ImageSpec = {
  repositories: ["ealen/echo-server"],
  entrypoint: ["node", "webserver.js"],
  ports: [80],
  programs: [program],
};
