// ingress-nginx/custom-error-pages: the page of a status (X-Code) in the format that the client accepts (X-Format), from files in /www.
// Upstream: images/custom-error-pages. Leaves out its metrics; of media types it knows those that pages are likely to have.
import type { NamedTool, ToolIo } from "../tools/tool.ts";
import { httpDate, type HttpRequest } from "../http/index.ts";
import { goLogTime } from "./go-text.ts";
import type { ImageSpec } from "./image.ts";
import { answerText, serveHttp } from "./serve.ts";

/** The first extension by name that Go's mime package has, with the image's mime.types; `.htm` is read as `.html`. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  "text/html": "html",
  "application/json": "json",
  "application/xhtml+xml": "xht",
  "text/xml": "xml",
  "application/xml": "xml",
  "text/plain": "asc",
  "text/css": "css",
  "text/javascript": "es",
  "image/svg+xml": "svg",
  "image/png": "png",
  "image/jpeg": "jpe",
  "image/gif": "gif",
};

/** What X-… of a request is passed back with $DEBUG. */
const TOLD = [
  "X-Format",
  "X-Code",
  "X-Original-URI",
  "X-Namespace",
  "X-Ingress-Name",
  "X-Service-Name",
  "X-Service-Port",
  "X-Request-Id",
] as const;

function one(request: HttpRequest, name: string): string {
  const value = request.headers[name.toLowerCase()];
  return (Array.isArray(value) ? value[0] : value) ?? "";
}

interface Page {
  readonly status: number;
  readonly type: string;
  readonly text: string | undefined;
}

function pageOf(request: HttpRequest, io: ToolIo, log: (text: string) => void): Page {
  const folder = io.env["ERROR_FILES_PATH"] || "/www";
  const usual = io.env["DEFAULT_RESPONSE_FORMAT"] || "text/html";
  let format = one(request, "X-Format");
  if (format === "") log(`format not specified. Using ${(format = usual)}`);
  format = format.split(",")[0] ?? "";
  const fallback = EXTENSIONS[usual] ?? "html";
  const known = EXTENSIONS[format.split(";")[0]?.trim().toLowerCase() ?? ""];
  if (known === undefined) log(`couldn't get media type extension. Using .${fallback}`);
  const extension = known ?? fallback;
  const sent = one(request, "X-Code");
  const status = /^[1-9]\d\d$/.test(sent) ? Number(sent) : 404;
  if (String(status) !== sent)
    log(`unexpected error reading return code: strconv.Atoi: parsing ${JSON.stringify(sent)}: invalid syntax. Using 404`);
  for (const name of [String(status), `${String(status).slice(0, 1)}xx`]) {
    const path = `${folder}/${name}.${extension}`;
    const text = io.files.read(path);
    if (text === undefined) {
      log(`unexpected error opening file: open ${path}: no such file or directory`);
      continue;
    }
    log(`serving custom error response for code ${status} and format ${format} from file ${path}`);
    return { status, type: format, text };
  }
  return { status: 404, type: "text/plain; charset=utf-8", text: undefined };
}

const program: NamedTool = {
  name: "nginx-errors",
  run(_argv, io) {
    const log = (text: string): void => void io.stderr.write(`${goLogTime(io.context.clock.now())} ${text}\n`);
    return serveHttp(io, 8080, (request, response) => {
      if (request.url?.split("?")[0] === "/healthz") return answerText(io, response, "");
      const { status, type, text } = pageOf(request, io, log);
      const told = (io.env["DEBUG"] ?? "") === "" ? [] : TOLD.map((name) => [name, one(request, name)] as const);
      const headers = [["Content-Type", type] as const, ...told];
      if (text === undefined)
        return answerText(io, response, "404 page not found\n", status, [...headers, ["X-Content-Type-Options", "nosniff"]]);
      // What Go copies from a file has no length.
      const date = ["Date", httpDate(io.context.clock.now())] as const;
      response.writeHead(status, [...headers, date].flat());
      response.write(text);
      response.end();
    });
  },
};

const PAGE_404 = "The page you're looking for could not be found";

export const customErrorPages: ImageSpec = {
  repositories: [
    "ingress-nginx/custom-error-pages",
    "ingress-nginx/nginx-errors",
    "k8s-staging-ingress-nginx/custom-error-pages",
    "k8s-staging-ingress-nginx/nginx-errors",
    "kubernetes-ingress-controller/custom-error-pages-amd64",
  ],
  cmd: ["/nginx-errors"],
  ports: [8080],
  programs: [program],
  files: {
    "/www/404.html": `<span>${PAGE_404}.</span>`,
    "/www/404.json": `{ "message": "${PAGE_404}" }`,
    ...Object.fromEntries(
      ["4xx", "500", "5xx"].flatMap((name) => ["html", "json"].map((format) => [`/www/${name}.${format}`, `${name} ${format}`])),
    ),
  },
};
