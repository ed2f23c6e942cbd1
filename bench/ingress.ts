// The Ingress beside nginx (one worker, kept connections to the pod) and bare http-proxy with a keep-alive agent, in turns:
// small GETs to inline and to process pods, 10 MB both ways; then how routes grow, and what 5,000 idle clients weigh.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { realClock, sleep } from "../model/clock.ts";
import { comparison, type Load, type Server } from "./comparison.ts";
import { benchIngressScale } from "./ingress-scale.ts";
import { output, startPeer, temporaryFolder, waitForPort, wrk } from "./measure.ts";
import { LARGE } from "./ingress-pod.ts";

const [BARE, NGINX, PROXY] = [21_090, 21_091, 21_092];
const IDLE = 5000;
/** V8 gives back what a burst has left within a quarter of a minute of idleness, unasked. */
const SETTLE_MS = 20_000;

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
  try {
    for (const port of [BARE, NGINX, PROXY]) await waitForPort("127.0.0.1", port);
    // The first start after a change of the sources compiles them, and keeps the compiler.
    await withCluster(async () => {});
    const fresh = await withCluster((cluster) => idleMemory(cluster));
    return await withCluster(async (cluster) => {
      const pid = (of: ChildProcess): number => of.pid ?? 0;
      const handler = pid(bare.process);
      const rival = (name: string, port: number, own: ChildProcess): Server => ({
        name,
        host: "127.0.0.1",
        port,
        pids: [pid(own), handler],
      });
      const ingress = (name: string, host: string): Server => ({
        name,
        host: cluster.host,
        port: cluster.port,
        pids: [pid(cluster.process)],
        headers: [`Host: ${host}`],
      });
      const servers = [
        rival("bare http-proxy → bare handler", PROXY, proxy.process),
        rival("nginx → bare handler", NGINX, nginx.process),
        ingress("Ingress → inline pods", "inline.example"),
        ingress("Ingress → process pod", "process.example"),
      ];
      const upload = join(folder.path, "upload.lua");
      writeFileSync(upload, `wrk.method = "POST"\nwrk.body = string.rep("x", ${LARGE})\n`);
      const compare = (title: string, unit: string, load: Load): Promise<string> =>
        comparison(`Ingress: ${title}`, unit, servers, load, rounds, seconds);
      const tables = [
        await compare("small GETs, kept alive (`wrk -t1 -c64`)", "requests/s", (server, s) => wrk(urlOf(server, "/"), s, server.headers)),
        await compare("10 MB answers (`wrk -t1 -c4`)", "MB/s", (server, s) => megabytes(server, s, "/10mb", [])),
        await compare("10 MB bodies sent (`wrk -t1 -c4`)", "MB/s", (server, s) => megabytes(server, s, "/", ["-s", upload])),
        await benchIngressScale(),
      ];
      const worked = await idleMemory(cluster);
      return [
        ...tables,
        `Memory of the whole cluster process: ${mb(fresh.before)} when empty, ${mb(fresh.after)} with ${IDLE} idle client connections;`,
        `one that has done the runs above: ${mb(worked.before)}, and ${mb(worked.after)} with them.\n`,
      ].join("\n");
    });
  } finally {
    await Promise.all([bare.close(), proxy.close(), nginx.close()]);
  }
}

const urlOf = ({ host, port }: Server, path: string): string => `http://${host}:${port}${path}`;

async function megabytes(server: Server, seconds: number, path: string, args: readonly string[]): Promise<number> {
  const named = (server.headers ?? []).flatMap((header) => ["-H", header]);
  const text = await output("wrk", ["-t1", "-c4", `-d${seconds}s`, ...args, ...named, urlOf(server, path)]);
  if (/Non-2xx/.test(text)) throw new Error(`${server.name}: ${text}`);
  return (Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]) * LARGE) / 1e6;
}

interface Cluster {
  readonly process: ChildProcess;
  readonly host: string;
  readonly port: number;
  /** Resident memory in bytes after a while without work; nothing is forced. */
  rss(): Promise<number>;
}

/** A cluster of its own, which ends with the work. */
async function withCluster<T>(work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const child = fork(join(import.meta.dirname, "ingress-cluster.ts"), {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  try {
    const failed = once(child, "exit").then(([code]) => Promise.reject(new Error(`the cluster ended with code ${String(code)}`)));
    failed.catch(() => {});
    const [{ status }] = (await Promise.race([once(child, "message"), failed])) as [Told];
    const [, host = "", port = ""] = /(127\.[\d.]+):(\d+)/.exec(status?.ingress.http ?? "") ?? [];
    const rss = async (): Promise<number> => {
      await sleep(realClock, SETTLE_MS);
      child.send("memory");
      const [{ rssBytes = Number.NaN }] = (await once(child, "message")) as [Told];
      return rssBytes;
    };
    return await work({ process: child, host, port: Number(port), rss });
  } finally {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "exit");
  }
}

const mb = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

/** Each connection has asked once and stays. */
async function idleMemory({ host, port, rss }: Cluster): Promise<{ readonly before: number; readonly after: number }> {
  const before = await rss();
  const sockets: Socket[] = [];
  try {
    for (let i = 0; i < IDLE; i++) {
      const socket = connect(port, host);
      sockets.push(socket);
      await once(socket, "connect");
      socket.write("GET / HTTP/1.1\r\nHost: inline.example\r\n\r\n");
      await once(socket, "data");
    }
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
