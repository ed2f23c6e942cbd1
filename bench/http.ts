// Requests and new connections through a ClusterIP, beside the bare handler and HAProxy in TCP mode in front of it;
// then the Ingress beside nginx in front of it.
import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { interleave, ratioTable, startPeer, temporaryFolder, waitForPort, wrk } from "./measure.ts";

const [BARE, HAPROXY, NGINX] = [42_080, 42_081, 42_082];

interface Ready {
  readonly status: { readonly ingress: { readonly http: string } };
  readonly service: readonly { readonly data: string }[];
}

export async function benchHttp(rounds: number, seconds: number): Promise<string> {
  using folder = temporaryFolder();
  const bare = startPeer(process.execPath, [join(import.meta.dirname, "bare-server.ts")], { PORT: String(BARE) });
  const haproxyConfig = join(folder.path, "haproxy.cfg");
  writeFileSync(
    haproxyConfig,
    `global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\nlisten web\n  bind 127.0.0.1:${HAPROXY}\n  server bare 127.0.0.1:${BARE}\n`,
  );
  const haproxy = startPeer("haproxy", ["-db", "-f", haproxyConfig]);
  const nginxConfig = join(folder.path, "nginx.conf");
  writeFileSync(
    nginxConfig,
    `daemon off; worker_processes 1; pid ${folder.path}/nginx.pid; error_log ${folder.path}/error.log;\nevents { worker_connections 4096; }\nhttp { access_log off; client_body_temp_path ${folder.path}/b; proxy_temp_path ${folder.path}/p; fastcgi_temp_path ${folder.path}/f; uwsgi_temp_path ${folder.path}/u; scgi_temp_path ${folder.path}/s;\n  upstream bare { server 127.0.0.1:${BARE}; keepalive 64; }\n  server { listen 127.0.0.1:${NGINX}; server_name web.example; location / { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_pass http://bare; } } }\n`,
  );
  const nginx = startPeer("nginx", ["-c", nginxConfig, "-p", folder.path]);
  const cluster = fork(join(import.meta.dirname, "bench-cluster.ts"), { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  try {
    const ready = await new Promise<Ready>((resolve, reject) => {
      cluster.once("message", (message) => resolve(message as Ready));
      cluster.once("exit", (code) => reject(new Error(`the cluster ended with code ${code}`)));
    });
    for (const port of [BARE, HAPROXY, NGINX]) await waitForPort("127.0.0.1", port);
    const service = `http://${ready.service[0]?.data}:8080/`;
    const http = ready.status.ingress.http.replace(/\/$/, "");
    const ingress = `${http.startsWith("http") ? http : `http://${http}`}/`;
    const close = ["Connection: close"];
    const keptAlive = await interleave(
      [
        { name: "bare Node handler", measure: () => wrk(`http://127.0.0.1:${BARE}/`, seconds) },
        { name: "HAProxy (tcp) → bare handler", measure: () => wrk(`http://127.0.0.1:${HAPROXY}/`, seconds) },
        { name: "ClusterIP → inline pods", measure: () => wrk(service, seconds) },
      ],
      rounds,
    );
    const connections = await interleave(
      [
        { name: "bare Node handler", measure: () => wrk(`http://127.0.0.1:${BARE}/`, seconds, close) },
        { name: "HAProxy (tcp) → bare handler", measure: () => wrk(`http://127.0.0.1:${HAPROXY}/`, seconds, close) },
        { name: "ClusterIP → inline pods", measure: () => wrk(service, seconds, close) },
      ],
      rounds,
    );
    const routed = await interleave(
      [
        { name: "nginx → bare handler", measure: () => wrk(`http://127.0.0.1:${NGINX}/`, seconds, ["Host: web.example"]) },
        { name: "Ingress → inline pods", measure: () => wrk(ingress, seconds, ["Host: web.example"]) },
      ],
      rounds,
    );
    return [
      ratioTable("Requests through a ClusterIP, kept alive (`wrk -t1 -c64`)", "requests/s", keptAlive),
      ratioTable("New connections through a ClusterIP (`Connection: close`)", "requests/s", connections),
      ratioTable("Requests through the Ingress, kept alive", "requests/s", routed),
    ].join("\n");
  } finally {
    cluster.kill("SIGTERM");
    await Promise.all([bare.close(), haproxy.close(), nginx.close()]);
  }
}
