// The Ingress beside nginx (one worker, kept connections to the pod) and bare http-proxy with a keep-alive agent, in turns:
// small GETs to inline and to process pods, 10 MB both ways; then how routes grow, and what 5,000 idle clients weigh.
import { fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { realClock, sleep } from "../model/clock.ts";
import { benchIngressScale } from "./ingress-scale.ts";
import { type Contestant, interleave, output, ratioTable, startPeer, temporaryFolder, waitForPort, wrk } from "./measure.ts";
import { LARGE } from "./ingress-pod.ts";

const [BARE, NGINX, PROXY] = [21_090, 21_091, 21_092];
const IDLE = 5000;

interface Told {
  readonly status?: { readonly ingress: { readonly http: string } };
  readonly rssBytes?: number;
}

export async function benchIngress(rounds: number, seconds: number): Promise<string> {
  using folder = temporaryFolder();
  const bare = startPeer(process.execPath, [join(import.meta.dirname, "ingress-pod.ts")], { PORT: String(BARE) });
  const proxy = startPeer(process.execPath, [join(import.meta.dirname, "bare-http-proxy.ts")], {
    PORT: String(PROXY),
    TARGET: `http://127.0.0.1:${BARE}`,
  });
  const config = join(folder.path, "nginx.conf");
  // The worker is another user when its master is root, and writes bodies there.
  chmodSync(folder.path, 0o755);
  writeFileSync(config, nginxConfig(folder.path));
  const nginx = startPeer("nginx", ["-c", config, "-p", folder.path]);
  const cluster = fork(join(import.meta.dirname, "ingress-cluster.ts"), {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    execArgv: ["--expose-gc"],
  });
  try {
    const failed = once(cluster, "exit").then(([code]) => Promise.reject(new Error(`the cluster ended with code ${String(code)}`)));
    failed.catch(() => {});
    const [{ status }] = (await Promise.race([once(cluster, "message"), failed])) as [Told];
    for (const port of [BARE, NGINX, PROXY]) await waitForPort("127.0.0.1", port);
    const address = /127\.[\d.]+:\d+/.exec(status?.ingress.http ?? "")?.[0] ?? "";
    const rss = async (): Promise<number> => {
      cluster.send("memory");
      const [{ rssBytes = Number.NaN }] = (await once(cluster, "message")) as [Told];
      return rssBytes;
    };
    const host = (name: string): readonly string[] => [`Host: ${name}.example`];
    const upload = join(folder.path, "upload.lua");
    writeFileSync(upload, `wrk.method = "POST"\nwrk.body = string.rep("x", ${LARGE})\n`);
    const contestants = (measure: (at: string, headers: readonly string[]) => Promise<number>): readonly Contestant[] => [
      { name: "bare http-proxy → bare handler", measure: () => measure(`127.0.0.1:${PROXY}`, []) },
      { name: "nginx → bare handler", measure: () => measure(`127.0.0.1:${NGINX}`, []) },
      { name: "Ingress → inline pods", measure: () => measure(address, host("inline")) },
      { name: "Ingress → process pod", measure: () => measure(address, host("process")) },
    ];
    const megabytes = async (at: string, headers: readonly string[], args: readonly string[], path: string): Promise<number> => {
      const named = headers.flatMap((header) => ["-H", header]);
      const text = await output("wrk", ["-t1", "-c4", `-d${seconds}s`, ...args, ...named, `http://${at}${path}`]);
      if (/Non-2xx/.test(text)) throw new Error(`${at}${path}: ${text}`);
      return (Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]) * LARGE) / 1e6;
    };
    const before = await rss();
    const small = await interleave(
      contestants((at, headers) => wrk(`http://${at}/`, seconds, headers)),
      rounds,
    );
    const down = await interleave(
      contestants((at, headers) => megabytes(at, headers, [], "/10mb")),
      rounds,
    );
    const up = await interleave(
      contestants((at, headers) => megabytes(at, headers, ["-s", upload], "/")),
      rounds,
    );
    const idle = await idleMemory(address, rss);
    return [
      ratioTable("Ingress: small GETs, kept alive (`wrk -t1 -c64`)", "requests/s", small),
      ratioTable("Ingress: 10 MB answers (`wrk -t1 -c4`)", "MB/s", down),
      ratioTable("Ingress: 10 MB bodies sent (`wrk -t1 -c4`), kept whole before they are passed on", "MB/s", up),
      await benchIngressScale(),
      `Memory of the whole cluster: ${mb(before)} when empty, ${mb(idle.before)} after the runs above, ${mb(idle.after)} with ${IDLE} idle client connections.\n`,
    ].join("\n");
  } finally {
    cluster.kill("SIGTERM");
    await Promise.all([bare.close(), proxy.close(), nginx.close()]);
  }
}

const mb = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

/** Each connection has asked once and stays. */
async function idleMemory(address: string, rss: () => Promise<number>): Promise<{ readonly before: number; readonly after: number }> {
  const [ip = "", port = ""] = address.split(":");
  const before = await rss();
  const sockets: Socket[] = [];
  try {
    for (let i = 0; i < IDLE; i++) {
      const socket = connect(Number(port), ip);
      sockets.push(socket);
      await once(socket, "connect");
      socket.write("GET / HTTP/1.1\r\nHost: inline.example\r\n\r\n");
      await once(socket, "data");
    }
    await sleep(realClock, 500);
    return { before, after: await rss() };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

function nginxConfig(folder: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
  return `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 8192; }
http {
  access_log off; client_max_body_size 0; keepalive_requests 100000000; ${temporary}
  upstream bare { server 127.0.0.1:${BARE}; keepalive 320; }
  server { listen 127.0.0.1:${NGINX}; location / {
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Request-ID $request_id;
    proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Host $host;
    proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Forwarded-Proto $scheme; proxy_buffering off; proxy_pass http://bare;
  } }
}
`;
}
