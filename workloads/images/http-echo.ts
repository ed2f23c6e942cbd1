// hashicorp/http-echo: answers every path with one text; /health. Flags -text, -listen, -status-code, -version; env ECHO_TEXT.
// The 1.x image sets ECHO_TEXT=hello-world; 0.x images have no default and exit 127 without -text.
import { parseGoFlags, FlagError } from "../tools/flags.ts";
import { fail, type NamedTool } from "../tools/tool.ts";
import { goDuration, goLogTime, listenPort } from "./go-text.ts";
import { imageTag, type ImageSpec } from "./image.ts";
import { answerText, clientOf, serveHttp } from "./serve.ts";

const program: NamedTool = {
  name: "http-echo",
  async run(argv, io) {
    const tag = imageTag(io.context);
    const old = tag.startsWith("0.");
    const version = /^\d+\.\d+/.test(tag) ? tag : "1.0.0";
    try {
      const flags = parseGoFlags(argv.slice(1), ["text", "listen", "status-code"], ["version"]);
      if (flags.has("version")) return fail(io, `http-echo v${version}`, 0);
      const text = flags.get("text") ?? io.env["ECHO_TEXT"] ?? (old ? "" : "hello-world");
      if (text === "") return fail(io, old ? "Missing -text option!" : "Missing -text option or ECHO_TEXT env var!", 127);
      if (flags.rest.length > 0) return fail(io, "Too many arguments!", 127);
      const listen = flags.get("listen") ?? ":5678";
      const port = listenPort(listen);
      const status = Number(flags.get("status-code") ?? 200);
      if (port === undefined) return fail(io, `listen tcp: address ${listen}: missing port in address`);
      if (!Number.isInteger(status) || status < 100 || status > 999)
        return fail(io, `invalid value ${JSON.stringify(flags.get("status-code"))} for flag -status-code`, 2);
      const { clock } = io.context;
      const body = Buffer.from(`${text}\n`);
      const headers = [
        ["X-App-Name", "http-echo"],
        ["X-App-Version", version],
      ] as const;
      return await serveHttp(
        io,
        port,
        (request, response) => {
          const start = clock.monotonic();
          const { pathname } = new URL(request.url ?? "/", "http://x");
          const health = pathname === "/health";
          if (health) answerText(io, response, '{"status":"ok"}', 200, headers);
          else answerText(io, response, body, status, headers);
          if (health) return;
          const line = `"${request.method ?? ""} ${request.url ?? ""} HTTP/${request.httpVersion}" ${status} ${body.length} "${request.headers["user-agent"] ?? ""}"`;
          io.stdout.write(
            `${goLogTime(clock.now())} ${request.headers.host ?? ""} ${clientOf(request).text} ${line} ${goDuration(clock.monotonic() - start)}\n`,
          );
        },
        { onListening: () => void io.stdout.write(`${goLogTime(clock.now())} [INFO] server is listening on ${listen}\n`) },
      );
    } catch (error) {
      if (!(error instanceof FlagError)) throw error;
      const what = error.kind === "unknown" ? `flag provided but not defined: -${error.flag}` : `flag needs an argument: -${error.flag}`;
      return fail(io, `${what}\nUsage of /http-echo:\n  -listen string\n  -status-code int\n  -text string\n  -version`, 2);
    }
  },
};

export const httpEcho: ImageSpec = {
  repositories: ["hashicorp/http-echo", "mendhak/http-echo"],
  entrypoint: ["/http-echo"],
  ports: [5678],
  programs: [program],
};
