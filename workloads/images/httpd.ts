// httpd: static files from /usr/local/apache2/htdocs, Apache's pages, headers and access log. The configuration is not interpreted.
import { formatDate } from "../tools/date.ts";
import { fail, type NamedTool, type ToolIo } from "../tools/tool.ts";
import { imageTag, type ImageSpec } from "./image.ts";
import { httpDate, type HttpRequest, type HttpResponse } from "../http/index.ts";
import { answer, clientOf, serveHttp } from "./serve.ts";
import { findFile } from "./static-site.ts";

const ROOT = "/usr/local/apache2/htdocs";
const DTD = '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n';

function errorPage(status: string, text: string): string {
  return `${DTD}<html><head>\n<title>${status}</title>\n</head><body>\n<h1>${status.slice(4)}</h1>\n<p>${text}</p>\n</body></html>\n`;
}

function serveStatic(io: ToolIo, request: HttpRequest, response: HttpResponse, version: string, startedMs: number): void {
  const now = io.context.clock.now();
  const respond = (status: number, type: string, body: string, more: readonly (readonly [string, string])[] = []): void => {
    const html = type.startsWith("text/html") && status >= 300 ? `${type}; charset=iso-8859-1` : type;
    answer(
      response,
      status,
      [
        ["Date", httpDate(now)],
        ["Server", `Apache/${version} (Unix)`],
        ...more,
        ["Content-Length", String(Buffer.byteLength(body))],
        ["Content-Type", html],
      ],
      body,
    );
    io.stdout.write(
      `${clientOf(request).ip} - - [${formatDate(now, "%d/%b/%Y:%H:%M:%S +0000")}] "${request.method ?? ""} ${request.url ?? ""} HTTP/${request.httpVersion}" ${status} ${body.length || "-"}\n`,
    );
  };
  request.resume();
  const found = findFile(request, ROOT, io, true);
  switch (found.type) {
    case "bad":
      return respond(400, "text/html", errorPage("400 Bad Request", "The request could not be understood."));
    case "redirect": {
      const to = `http://${request.headers.host ?? "localhost"}${found.to}`;
      return respond(301, "text/html", errorPage("301 Moved Permanently", `The document is <a href="${to}">here</a>.`), [["Location", to]]);
    }
    case "listing": {
      const items = found.names.map((name) => `<li><a href="${encodeURI(name)}"> ${name}</a></li>`).join("\n");
      return respond(
        200,
        "text/html;charset=ISO-8859-1",
        `${DTD}<html>\n <head>\n  <title>Index of ${request.url ?? "/"}</title>\n </head>\n <body>\n<h1>Index of ${request.url ?? "/"}</h1>\n<ul>${items}\n</ul>\n</body></html>\n`,
      );
    }
    case "absent":
    case "forbidden":
      return respond(404, "text/html", errorPage("404 Not Found", "The requested URL was not found on this server."));
    case "file": {
      if (request.method === "OPTIONS") return respond(200, "text/html", "", [["Allow", "GET,POST,OPTIONS,HEAD"]]);
      if (!["GET", "HEAD", "POST"].includes(request.method ?? ""))
        return respond(405, "text/html", errorPage("405 Method Not Allowed", `${request.method ?? ""} is not allowed for this URL.`), [
          ["Allow", "GET,POST,OPTIONS,HEAD"],
        ]);
      const etag = `"${Buffer.byteLength(found.text).toString(16)}-${Math.floor(startedMs * 1000).toString(16)}"`;
      const validators = [
        ["Last-Modified", new Date(startedMs).toUTCString()],
        ["ETag", etag],
        ["Accept-Ranges", "bytes"],
      ] as const;
      if (request.headers["if-none-match"] === etag) return respond(304, found.contentType, "", validators);
      return respond(200, found.contentType, found.text, validators);
    }
  }
}

const program: NamedTool = {
  name: "httpd",
  async run(argv, io) {
    const version = /^2\.\d+\.\d+/.exec(imageTag(io.context))?.[0] ?? "2.4.65";
    if (argv[1] === "-v") return fail(io, `Server version: Apache/${version} (Unix)`, 0);
    const startedMs = io.context.clock.now();
    const notice = (text: string): void =>
      void io.stderr.write(`[${formatDate(io.context.clock.now(), "%a %b %d %H:%M:%S.%N %Y")}] ${text}\n`);
    return serveHttp(io, 80, (request, response) => serveStatic(io, request, response, version, startedMs), {
      keepAliveMs: 5000,
      onListening() {
        notice(`[mpm_event:notice] [pid 1:tid 1] AH00489: Apache/${version} (Unix) configured -- resuming normal operations`);
        notice("[core:notice] [pid 1:tid 1] AH00094: Command line: 'httpd -D FOREGROUND'");
      },
      onBusy: () =>
        "(98)Address already in use: AH00072: make_sock: could not bind to address 0.0.0.0:80\nno listening sockets available, shutting down",
    });
  },
};

export const httpd: ImageSpec = {
  repositories: ["httpd", "e2e-test-images/httpd"],
  cmd: ["httpd-foreground"],
  ports: [80],
  programs: [program, { name: "httpd-foreground", run: program.run }, { name: "apachectl", run: program.run }],
  files: { [`${ROOT}/index.html`]: "<html><body><h1>It works!</h1></body></html>\n" },
};
