// agnhost netexec: an HTTP server and a UDP server that tell who they are and who asks, echo, run commands and dial others.
// Upstream: test/images/agnhost/netexec/netexec.go. Leaves out SCTP and --http-override of other schemes.
import { createServer as createTlsServer } from "node:https";
import type { Server } from "node:http";
import { sleep } from "../../../model/clock.ts";
import type { Registration } from "../../../model/ports.ts";
import { parseGoFlags } from "../../tools/flags.ts";
import { fail, type Tool, type ToolIo } from "../../tools/tool.ts";
import { goLogTime, goTime } from "../go-text.ts";
import { type Handler } from "../../http/index.ts";
import { answerText, bodyOf, canonicalHeaders, canonicalName, clientOf, serveHttp, stopped, urlOf } from "../serve.ts";
import { collectOutput, dialHttp, dialUdp } from "./dial.ts";

const FLAGS = [
  "http-port",
  "udp-port",
  "sctp-port",
  "http-override",
  "tls-cert-file",
  "tls-private-key-file",
  "udp-listen-addresses",
  "delay-shutdown",
];

export const netexec: Tool = async (argv, io) => {
  const flags = parseGoFlags(argv.slice(1), FLAGS);
  const httpPort = Number(flags.get("http-port") ?? 8080);
  const udpPort = Number(flags.get("udp-port") ?? 8081);
  const delaySeconds = Number(flags.get("delay-shutdown") ?? 0);
  if ([httpPort, udpPort, delaySeconds].some((value) => !Number.isInteger(value)))
    return fail(io, "Error: invalid argument: strconv.ParseInt: parsing a flag: invalid syntax");
  if (Number(flags.get("sctp-port") ?? -1) >= 0) return fail(io, "netexec: SCTP is not carried by loopkube's network");
  const certFile = flags.get("tls-cert-file");
  let server: Server | undefined;
  if (certFile !== undefined) {
    const [cert, key] = [io.files.read(certFile), io.files.read(flags.get("tls-private-key-file") ?? "")];
    if (cert === undefined || key === undefined)
      return fail(io, `open ${cert === undefined ? certFile : (flags.get("tls-private-key-file") ?? "")}: no such file or directory`);
    server = createTlsServer({ cert, key });
  }
  const log = (text: string): void => void io.stderr.write(`${goLogTime(io.context.clock.now())} ${text}\n`);
  const state: State = { udpReady: false, stopping: false, exit: Promise.withResolvers<number>(), log };
  const down = new AbortController();
  void state.exit.promise.then(() => down.abort());
  void stopped(io.signal).then(async () => {
    state.stopping = true;
    await sleep(io.context.clock, delaySeconds * 1000).catch(() => {});
    state.exit.resolve(0);
  });
  const patient: ToolIo = { ...io, signal: new AbortController().signal };
  const registrations: Registration[] = [];
  if (udpPort >= 0) registrations.push(await serveUdp(io, udpPort, state));
  const override = flags.get("http-override");
  const serving = serveHttp(patient, httpPort, handler(io, state, override), {
    ...(server ? { server } : {}),
    stop: down.signal,
    onListening: () => log(`Started HTTP${server ? "S" : ""} server on port ${httpPort}`),
  });
  const failed = await Promise.race([serving, state.exit.promise.then(() => 0)]);
  if (failed !== 0) state.exit.resolve(failed);
  const code = await state.exit.promise;
  for (const registration of registrations) await registration.close();
  await serving;
  return code;
};

interface State {
  udpReady: boolean;
  stopping: boolean;
  readonly exit: PromiseWithResolvers<number>;
  readonly log: (text: string) => void;
}

async function serveUdp(io: ToolIo, port: number, state: State): Promise<Registration> {
  const registration = await io.context.listenUdp(port, (message, source, reply) => {
    const request = Buffer.from(message).toString().trim();
    const [command = "", ...words] = request.split(/\s+/);
    switch (command.toLowerCase()) {
      case "hostname":
        return reply(Buffer.from(io.context.hostname));
      case "echo":
        return reply(Buffer.from(words.join(" ").toLowerCase()));
      case "clientip":
        return reply(Buffer.from(`${source.ip}:${source.port}`));
      default:
        if (request !== "") state.log(`Unknown udp command received: ${request}`);
    }
  });
  state.log(`Started UDP server on port ${port}`);
  state.udpReady = true;
  return registration;
}

function handler(io: ToolIo, state: State, override: string | undefined): Handler {
  const { clock, hostname } = io.context;
  const pages: Readonly<Record<string, Handler>> = {
    "/": (_request, response) => answerText(io, response, `NOW: ${goTime(clock.now())}`),
    "/hostname": (_request, response) => answerText(io, response, hostname),
    "/clientip": (request, response) => answerText(io, response, clientOf(request).text),
    "/header": (request, response) => {
      const headers = canonicalHeaders(request).filter(([name]) => name !== "Host");
      const key = urlOf(request).searchParams.get("key") ?? "";
      if (key !== "") return answerText(io, response, headers.find(([name]) => name === canonicalName(key))?.[1][0] ?? "");
      answerText(io, response, JSON.stringify(Object.fromEntries(headers)));
    },
    "/echo": async (request, response) => {
      const params = await formOf(request);
      const code = Number(params.get("code") ?? 200);
      const status = params.get("code") && Number.isInteger(code) && code >= 100 && code <= 999 ? code : 200;
      answerText(io, response, params.get("msg") ?? "", status);
    },
    "/redirect": (request, response) => {
      const params = urlOf(request).searchParams;
      const location = (params.get("location") ?? "").replace(/[\r\n]/g, "");
      const code = Number(params.get("code") ?? 302) || 302;
      answerText(io, response, request.method === "GET" ? `<a href="${location.replaceAll('"', "&#34;")}">Found</a>.\n\n` : "", code, [
        ["Content-Type", "text/html; charset=utf-8"],
        ["Location", location],
      ]);
    },
    "/healthz": (_request, response) => answerText(io, response, "", state.udpReady ? 200 : 412),
    "/readyz": (_request, response) => {
      if (state.stopping) return answerText(io, response, "shutting down", 503);
      answerText(io, response, state.udpReady ? "ok" : "", state.udpReady ? 200 : 412);
    },
    "/exit": async (request, response) => {
      const params = urlOf(request).searchParams;
      const code = Number(params.get("code") ?? 0);
      await sleep(clock, durationSeconds(params.get("wait")) * 1000);
      response.once("close", () => state.exit.resolve(Number.isInteger(code) ? code & 255 : 0));
      answerText(io, response, "");
    },
    "/shutdown": (_request, response) => {
      response.once("close", () => state.exit.resolve(0));
      answerText(io, response, "");
    },
    "/shell": async (request, response) => {
      const params = await formOf(request);
      const command = params.get("shellCommand") ?? params.get("cmd") ?? "";
      const { output, code } = await collectOutput(["sh", "-c", command], io);
      answerText(
        io,
        response,
        JSON.stringify({ ...(output === "" ? {} : { output }), ...(code === 0 ? {} : { error: `exit status ${code}` }) }),
      );
    },
    "/upload": async (request, response) => {
      const boundary = /boundary="?([^";]+)"?/.exec(request.headers["content-type"] ?? "")?.[1];
      const body = (await bodyOf(request)).toString("latin1");
      const part = boundary === undefined ? undefined : body.split(`--${boundary}`).find((text) => /name="file"/.test(text));
      if (part === undefined)
        return answerText(
          io,
          response,
          JSON.stringify({ error: 'Unable to upload file: request Content-Type isn\'t multipart/form-data or has no "file"' }),
          200,
        );
      const content = part.slice(part.indexOf("\r\n\r\n") + 4).replace(/\r\n$/, "");
      const path = `/uploads/upload${io.context.random.int(1_000_000_000)}`;
      io.files.write(path, Buffer.from(content, "latin1").toString());
      answerText(io, response, JSON.stringify({ output: path }), 201);
    },
    "/dial": async (request, response) => {
      const params = await formOf(request);
      const [host, port, wanted] = [params.get("host"), params.get("port"), params.get("request")];
      if (!host || !port || !wanted)
        return answerText(
          io,
          response,
          `${
            [
              ["host", host],
              ["port", port],
              ["request", wanted],
            ].find(([, value]) => !value)?.[0] ?? ""
          } parameter is required: ''\n`,
          400,
        );
      const tries = Number(params.get("tries") ?? 1) || 1;
      const protocol = (params.get("protocol") ?? "http").toLowerCase();
      if (protocol !== "http" && protocol !== "udp") return answerText(io, response, `unsupported protocol: ${protocol}\n`, 400);
      const responses: string[] = [];
      const errors: string[] = [];
      for (let i = 0; i < Math.min(tries, 1000); i++) {
        const result =
          protocol === "http" ? await dialHttp(host, Number(port), `/${wanted}`, io) : await dialUdp(host, Number(port), wanted, io);
        if ("response" in result) responses.push(result.response);
        else errors.push(result.error);
      }
      answerText(
        io,
        response,
        JSON.stringify({ ...(responses.length > 0 ? { responses } : {}), ...(errors.length > 0 ? { errors } : {}) }),
      );
    },
  };
  const aliases: Readonly<Record<string, string>> = { "/hostName": "/hostname" };
  return (request, response) => {
    state.log(`${request.method ?? ""} ${request.url ?? ""}`);
    const { pathname } = urlOf(request);
    const path = aliases[pathname] ?? pathname;
    const page = override !== undefined && pathname === "/" ? pages[override] : Object.hasOwn(pages, path) ? pages[path] : pages["/"];
    return page?.(request, response);
  };
}

function durationSeconds(text: string | null): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text ?? "");
  return match ? Number(match[1]) * (match[2] === "ms" ? 0.001 : match[2] === "m" ? 60 : 1) : 0;
}

async function formOf(request: Parameters<Handler>[0]): Promise<URLSearchParams> {
  const params = new URLSearchParams(urlOf(request).search);
  if (request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded"))
    for (const [name, value] of new URLSearchParams((await bodyOf(request)).toString())) params.set(name, value);
  return params;
}
