// google-samples/gb-frontend: the guestbook's page, and guestbook.php, which writes to redis-leader and reads from redis-follower.
// Tags v4 and older use the names redis-master and redis-slave. With GET_HOSTS_FROM=env the Services' environment variables are used.
import { formatDate } from "../tools/date.ts";
import { errnoOf, errnoText, isLookupError, type NamedTool, type ToolIo } from "../tools/tool.ts";
import { imageTag, type ImageSpec } from "./image.ts";
import { askRedis } from "./redis/client.ts";
import { httpDate, type HttpRequest, type HttpResponse } from "../http/index.ts";
import { answer, bodyOf, clientOf, serveHttp, urlOf } from "./serve.ts";

const SERVER = "Apache/2.4.56 (Debian)";

const PAGE = `<html>
  <head>
    <title>Guestbook</title>
    <style>body { font-family: sans-serif; margin: 2em auto; max-width: 40em } input { width: 75% } li { margin: .3em 0 }</style>
  </head>
  <body>
    <h2>Guestbook</h2>
    <form id="form"><input id="entry" name="input" placeholder="Messages" autofocus> <button type="submit">Submit</button></form>
    <ul id="messages"></ul>
    <script>
      let messages = [];
      const ask = (query) => fetch("guestbook.php?" + new URLSearchParams(query)).then((answer) => answer.json());
      const show = () => document.getElementById("messages").replaceChildren(...messages.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
      const load = () => ask({ cmd: "get", key: "messages" }).then(({ data }) => { messages = data ? data.split(",").filter(Boolean) : []; show(); });
      document.getElementById("form").addEventListener("submit", (event) => {
        event.preventDefault();
        const entry = document.getElementById("entry");
        messages.push(entry.value);
        entry.value = "";
        show();
        ask({ cmd: "set", key: "messages", value: messages.join(",") });
      });
      load();
    </script>
  </body>
</html>
`;

interface Names {
  readonly leader: string;
  readonly follower: string;
}

function hosts(io: ToolIo): Names {
  const old = /^v[1-4]$/.test(imageTag(io.context));
  const names = old ? { leader: "redis-master", follower: "redis-slave" } : { leader: "redis-leader", follower: "redis-follower" };
  if (io.env["GET_HOSTS_FROM"] !== "env") return names;
  const fromEnv = (name: string): string => io.env[`${name.toUpperCase().replaceAll("-", "_")}_SERVICE_HOST`] ?? name;
  return { leader: fromEnv(names.leader), follower: fromEnv(names.follower) };
}

async function guestbook(
  params: URLSearchParams,
  names: Names,
  io: ToolIo,
): Promise<{ readonly status: number; readonly type: string; readonly body: string }> {
  const command = params.get("cmd");
  const key = params.get("key") ?? "";
  if (command === null)
    return {
      status: 200,
      type: "text/html; charset=UTF-8",
      body: "<html><body><h1>guestbook.php</h1><p>?cmd=get&amp;key=messages or ?cmd=set&amp;key=messages&amp;value=…</p></body></html>\n",
    };
  const host = command === "set" ? names.leader : names.follower;
  try {
    const [reply = null] = await askRedis(host, 6379, [command === "set" ? ["SET", key, params.get("value") ?? ""] : ["GET", key]], io);
    if (typeof reply === "object" && reply !== null && "error" in reply) throw Object.assign(new Error(reply.error), { code: reply.error });
    const body = command === "set" ? { message: "Updated" } : { data: reply === null ? "" : String(reply) };
    return { status: 200, type: "application/json", body: JSON.stringify(body) };
  } catch (error) {
    const reason = isLookupError(error)
      ? "php_network_getaddresses: getaddrinfo failed: Name or service not known"
      : errnoText(errnoOf(error));
    io.stderr.write(
      `[${formatDate(io.context.clock.now(), "%a %b %d %H:%M:%S.%N %Y")}] [php:error] PHP Fatal error:  Uncaught Predis\\Connection\\ConnectionException: ${reason} [tcp://${host}:6379]\n`,
    );
    return {
      status: 500,
      type: "text/html; charset=UTF-8",
      body: `<br />\n<b>Fatal error</b>:  Uncaught Predis\\Connection\\ConnectionException: ${reason} [tcp://${host}:6379]<br />\n`,
    };
  }
}

async function handle(request: HttpRequest, response: HttpResponse, names: Names, io: ToolIo): Promise<void> {
  const url = urlOf(request);
  const body = (await bodyOf(request)).toString();
  let made: { status: number; type: string; body: string };
  if (url.pathname === "/guestbook.php") {
    const params = new URLSearchParams(url.search);
    for (const [name, value] of new URLSearchParams(request.method === "POST" ? body : "")) params.set(name, value);
    made = await guestbook(params, names, io);
  } else if (url.pathname === "/" || url.pathname === "/index.html") made = { status: 200, type: "text/html", body: PAGE };
  else
    made = {
      status: 404,
      type: "text/html; charset=iso-8859-1",
      body: "<html><head>\n<title>404 Not Found</title>\n</head><body>\n<h1>Not Found</h1>\n<p>The requested URL was not found on this server.</p>\n</body></html>\n",
    };
  const now = io.context.clock.now();
  answer(
    response,
    made.status,
    [
      ["Date", httpDate(now)],
      ["Server", SERVER],
      ["Access-Control-Allow-Origin", "*"],
      ["Content-Type", made.type],
    ],
    made.body,
  );
  io.stdout.write(
    `${clientOf(request).ip} - - [${formatDate(now, "%d/%b/%Y:%H:%M:%S +0000")}] "${request.method ?? ""} ${request.url ?? ""} HTTP/${request.httpVersion}" ${made.status} ${Buffer.byteLength(made.body)} "${request.headers.referer ?? "-"}" "${request.headers["user-agent"] ?? "-"}"\n`,
  );
}

const program: NamedTool = {
  name: "apache2-foreground",
  run(_argv, io) {
    const names = hosts(io);
    return serveHttp(io, 80, (request, response) => handle(request, response, names, io), {
      keepAliveMs: 5000,
      onListening: () =>
        void io.stderr.write(
          `[${formatDate(io.context.clock.now(), "%a %b %d %H:%M:%S.%N %Y")}] [mpm_prefork:notice] [pid 1] AH00163: ${SERVER} configured -- resuming normal operations\n`,
        ),
    });
  },
};

export const guestbookFrontend: ImageSpec = {
  repositories: ["google-samples/gb-frontend", "google_samples/gb-frontend", "google-samples/containers/gke/gb-frontend"],
  cmd: ["apache2-foreground"],
  ports: [80],
  programs: [program],
};
