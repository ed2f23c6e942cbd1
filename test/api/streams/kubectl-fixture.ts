// A small HTTP server with one pod, whose streams run real programs of this machine, and the kubectl versions to try it with.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { StatusError } from "../../../model/errors.ts";
import type { Pod } from "../../../model/kinds/core-v1.ts";
import type { ExecStreams, KubeletStreams, LogOptions } from "../../../model/ports.ts";
import { createCa, issueCertificate, type KeyPair } from "../../../model/x509.ts";
import { handlePodStream, type PodStreamTarget, serveLogs } from "../../../api/streams/index.ts";

/** One client per way in which kubectl has streamed; a version that is not installed is absent. */
export const kubectls: ReadonlyMap<string, string> = findKubectls(["1.27", "1.29", "1.31", "1.33"]);

function findKubectls(versions: readonly string[]): ReadonlyMap<string, string> {
  try {
    const folder = dirname(realpathSync(execFileSync("which", ["kubectl"], { encoding: "utf8" }).trim()));
    return new Map(
      versions.map((version) => [version, join(folder, `kubectl.${version}`)] as const).filter(([, path]) => existsSync(path)),
    );
  } catch {
    return new Map();
  }
}

export function examplePod(...containers: readonly string[]): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default", uid: "7e0d" },
    spec: { nodeName: "node-1", containers: containers.map((name) => ({ name, image: "x", tty: true, stdin: true })) },
    status: {
      phase: "Running",
      containerStatuses: containers.map((name) => ({
        name,
        image: "x",
        imageID: "",
        ready: true,
        restartCount: 0,
        state: { running: { startedAt: "2025-01-01T00:00:00Z" } },
      })),
    },
  };
}

/** Streams backed by child processes and by ports of 127.0.0.1. */
export class ProcessStreams implements KubeletStreams {
  readonly children = new Set<ChildProcess>();
  readonly logCalls: LogOptions[] = [];
  log: (options: LogOptions) => AsyncIterable<string> = async function* () {
    yield "first line\nsecond line\n";
  };
  async *logs(_pod: Pod, _container: string, options: LogOptions): AsyncIterable<string> {
    this.logCalls.push(options);
    yield* this.log(options);
  }
  async exec(_pod: Pod, _container: string, command: readonly string[], streams: ExecStreams): Promise<number> {
    if (command[0] === "size") {
      for await (const size of streams.resize) {
        streams.stdout.write(`${size.width}x${size.height} tty=${streams.tty}\r\n`);
        return 0;
      }
      return 1;
    }
    if (command[0] === "refuse") throw new StatusError(400, "BadRequest", "it does not want to");
    const [program = "", ...args] = command;
    const child = spawn(program, args, { signal: streams.signal });
    this.children.add(child);
    child.on("error", () => undefined);
    if (streams.stdin) streams.stdin.pipe(child.stdin);
    else child.stdin.end();
    child.stdin.on("error", () => undefined);
    child.stdout.pipe(streams.stdout, { end: false });
    child.stderr.pipe(streams.stderr, { end: false });
    const code = await new Promise<unknown>((resolve) => child.once("close", resolve));
    return typeof code === "number" ? code : 137;
  }
  async attach(pod: Pod, container: string, streams: ExecStreams): Promise<number> {
    return await this.exec(pod, container, ["sh", "-c", "echo attached; head -n1; exit 4"], streams);
  }
  async portForward(_pod: Pod, port: number): Promise<Duplex> {
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    await once(socket, "connect");
    return socket;
  }
}

export interface Fixture {
  readonly url: string;
  readonly port: number;
  /** `METHOD upgrade` of each upgrade seen. */
  readonly upgrades: string[];
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  run(kubectl: string, args: readonly string[], input?: string | Buffer): Promise<{ code: number; stdout: string; stderr: string }>;
  close(): Promise<void>;
}

/** Serves discovery, the pod, its log, and hands upgrades to the code under test. */
export async function startFixture(pod: Pod, streams: KubeletStreams, scheme: "http" | "https" = "http"): Promise<Fixture> {
  const folder = mkdtempSync(join(tmpdir(), "loopkube-streams-"));
  const upgrades: string[] = [];
  const answers = discovery(pod);
  const listener: RequestListener = (request, response) => {
    const url = new URL(request.url ?? "/", "http://x");
    if (url.pathname.endsWith("/log")) {
      serveLogs(response, pod, url, streams).catch((error: unknown) => {
        const failure = error instanceof StatusError ? error : new StatusError(500, "InternalError", String(error));
        response.writeHead(failure.code, { "content-type": "application/json" }).end(JSON.stringify(failure.status));
      });
      return;
    }
    const body = answers[url.pathname];
    response.writeHead(body ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(body ?? new StatusError(404, "NotFound", `no ${url.pathname}`).status));
  };
  const ca = createCa("test", Date.now());
  const serverPair = issueCertificate(ca, { commonName: "server", ipAddresses: ["127.0.0.1"], usages: ["server"], days: 1 });
  const clientPair = issueCertificate(ca, { commonName: "admin", organizations: ["system:masters"], usages: ["client"], days: 1 });
  const tls = { ...serverPair, ca: ca.cert, requestCert: true, rejectUnauthorized: true };
  const server = scheme === "https" ? createTlsServer(tls, listener) : createServer(listener);
  const sockets = new Set<Duplex>();
  server.on("upgrade", (request, socket, head) => {
    sockets.add(socket);
    upgrades.push(`${request.method} ${request.headers.upgrade}`);
    const url = new URL(request.url ?? "/", "http://x");
    const subresource = url.pathname.split("/").at(-1) as PodStreamTarget["subresource"];
    void handlePodStream(request, socket, head, { pod, subresource, url }, streams);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const url = `${scheme}://127.0.0.1:${port}`;
  const args = ["--cache-dir", join(folder, "cache")];
  writeFileSync(join(folder, "config"), JSON.stringify(kubeconfig(url, ca, clientPair)));
  const env = { PATH: process.env["PATH"], HOME: folder, KUBECONFIG: join(folder, "config"), TERM: "xterm" };
  return {
    url,
    port,
    upgrades,
    args,
    env,
    async run(kubectl, more, input) {
      const child = spawn(kubectl, [...args, ...more], { env, cwd: folder });
      child.stdin.on("error", () => undefined).end(input);
      let [stdout, stderr] = ["", ""];
      child.stdout.setEncoding("latin1").on("data", (text) => (stdout += text));
      child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
      const [code] = await once(child, "close");
      return { code: typeof code === "number" ? code : -1, stdout, stderr };
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    },
  };
}

function kubeconfig(server: string, ca: KeyPair, client: KeyPair): unknown {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const authority = server.startsWith("https") ? { "certificate-authority-data": base64(ca.cert) } : {};
  return {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "x",
    contexts: [{ name: "x", context: { cluster: "x", user: "x" } }],
    clusters: [{ name: "x", cluster: { server, ...authority } }],
    users: [{ name: "x", user: { "client-certificate-data": base64(client.cert), "client-key-data": base64(client.key) } }],
  };
}

function discovery(pod: Pod): Readonly<Record<string, unknown>> {
  const verbs = ["get", "list", "create", "delete"];
  return {
    "/version": { major: "1", minor: "33", gitVersion: "v1.33.0" },
    "/api": { kind: "APIVersions", versions: ["v1"] },
    "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [] },
    "/api/v1": {
      kind: "APIResourceList",
      groupVersion: "v1",
      resources: [{ name: "pods", singularName: "pod", namespaced: true, kind: "Pod", verbs, shortNames: ["po"] }],
    },
    [`/api/v1/namespaces/default/pods/${pod.metadata.name}`]: pod,
  };
}
