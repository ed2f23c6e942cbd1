// Garbage and floods on every listener while normal traffic goes on: the protocol's own error or a close, and nobody else notices.
import { createSocket } from "node:dgram";
import { request } from "node:http";
import { connect } from "node:net";
import t from "tap";
import type { Cluster } from "../../cluster/index.ts";
import { nextTurn, realClock } from "../../model/clock.ts";
import { seededRandom } from "../../model/random.ts";
import { app, memoryBytes, socketOf, startRobust } from "./robust-cluster.ts";
import { until } from "../support/until.ts";
import { Swarm } from "./swarm.ts";

const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  replicas: 2
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec: {containers: [{name: hello, image: "traefik/whoami:v1.10", ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: hello}
spec: {selector: {app: hello}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: hello}
spec:
  ingressClassName: nginx
  rules: [{host: hello.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: hello, port: {number: 80}}}}]}}]
`;

/** Their pods may keep a connection for as long as they like. */
const SILENT = new Set(["inline Service", "process Service"]);

const random = seededRandom("garbage");
const noise = (sizeBytes: number): Buffer => Buffer.from(Array.from({ length: sizeBytes }, () => random.int(256)));

/** What comes in on a connection: bytes, and whether FIN or RST follows. */
const LETTERS: readonly Buffer[] = [
  Buffer.alloc(0),
  Buffer.from("\0"),
  noise(1),
  noise(7),
  noise(513),
  noise(100_000),
  Buffer.alloc(70_000, 0xff),
  Buffer.from("GET / HTTP/1.1\r\n\r\n"),
  Buffer.from(`GET /${"a".repeat(100_000)} HTTP/1.1\r\nhost: hello.test\r\n\r\n`),
  Buffer.from("GET / HTTP/1.1\r\nhost: hello.test\r\ncontent-length: 10\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
  Buffer.from("POST / HTTP/1.1\r\nhost: hello.test\r\ncontent-length: 999999999\r\n\r\nshort"),
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x40garbage"),
  Buffer.from("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03TLS, or so"),
  Buffer.from("\x04\x01\0\x50\0\0\0\x01x\0hello\0", "latin1"),
  Buffer.from("\x05\x01\0\x05\x01\0\x03\xff", "latin1"),
  Buffer.from("\x05\xff", "latin1"),
  Buffer.from("CONNECT :::99999 HTTP/1.1\r\n\r\n"),
  Buffer.from("\0\x02\0\0", "latin1"),
  Buffer.from(`\xff\xff${"\xc0\x0c".repeat(400)}`, "latin1"),
];

t.test("garbage and floods", async (t) => {
  const cluster = await startRobust(t);
  await cluster.apply(`${app("line", "test/line", 2)}---${WEB}`);
  await cluster.apply(app("proc", "test/line-process"));
  await cluster.ready();
  const status = cluster.status() as unknown as Status;
  const line = await socketOf(cluster, "line");
  const targets = {
    API: address(status.api.replace("https://", "")),
    DNS: address(status.dnsService),
    gateway: address(status.gateway),
    "ingress, http": address(status.ingress.http),
    "ingress, https": address(status.ingress.https),
    "HTTP Service": await socketOf(cluster, "hello", 80),
    "inline Service": line,
    "process Service": await socketOf(cluster, "proc"),
    "metrics of a node": { ip: cluster.nodes[0]?.ip ?? "", port: 10249 },
  };
  await using established = new Swarm();
  await using churning = new Swarm();
  await established.run({ type: "open", ...line, purpose: "e", total: 100, parallel: 20 });
  await visit(cluster, status);
  const before = memoryBytes();

  for (const [name, at] of Object.entries(targets)) {
    const normal = churning.run({ type: "churn", ...line, purpose: "e", total: 300, parallel: 10 });
    const kept = await Promise.all(
      LETTERS.flatMap((bytes) => MANNERS.map(async (then) => ((await post(at, bytes, then)) ? [bytes.toString("latin1", 0, 20)] : []))),
    );
    if (!SILENT.has(name)) t.strictSame(kept.flat(), [], `${name}: a client that sends garbage and FIN is let go`);
    t.strictSame((await normal).failures, {}, `${name}: others are served meanwhile`);
    await visit(cluster, status);
  }

  const dns = address(status.dnsService);
  const udp = createSocket("udp4").on("error", () => {});
  t.teardown(() => udp.close());
  let answers = 0;
  udp.on("message", () => answers++);
  const normal = churning.run({ type: "churn", ...line, purpose: "e", total: 1000, parallel: 10 });
  for (let sent = 0; sent < 20_000; sent++) {
    udp.send(sent % 50 === 0 ? query(sent) : noise(sent % 97), dns.port, dns.ip, () => {});
    if (sent % 64 === 63) await nextTurn();
  }
  t.strictSame((await normal).failures, {}, "a flood of datagrams: others are served meanwhile");
  await until(() => answers >= 100);
  await visit(cluster, status);

  t.match(await established.run({ type: "ask" }), { held: 100, failures: {}, ended: {} }, "established connections live on");
  await established.run({ type: "drop", reset: false });
  await until(() => memoryBytes() - before < 20e6);
  t.strictSame(cluster.fabric.stats().descriptors.refused, 0);
});

interface Status {
  readonly api: string;
  readonly dnsService: string;
  readonly gateway: string;
  readonly ingress: { readonly http: string; readonly https: string };
}

interface Address {
  readonly ip: string;
  readonly port: number;
}

function address(text: string): Address {
  const colon = text.lastIndexOf(":");
  return { ip: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

/** The cluster answers as ever: by name, through the ingress, by its API. */
async function visit(cluster: Cluster, status: Status): Promise<void> {
  const inside = await cluster.fetch("http://hello/");
  const outside = await new Promise<number | undefined>((resolve, reject) => {
    const asked = request(`http://${status.ingress.http}/`, { headers: { host: "hello.test" }, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on("error", reject).end();
  });
  if (inside.status !== 200 || outside !== 200) throw new Error(`answered ${inside.status} and ${outside}`);
  await cluster.apply(app("line", "test/line", 2));
}

/** What a client does after its letter: sends FIN and waits for the server to close too, sends RST, or leaves. */
type Manner = "FIN" | "RST" | "close";
const MANNERS: readonly Manner[] = ["FIN", "RST", "close"];
const PATIENCE_MS = 3000;

/** Resolves when the connection is closed: true when a server has let its client wait after FIN. */
function post({ ip, port }: Address, bytes: Buffer, then: Manner): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: ip, port, allowHalfOpen: true });
    let waited = false;
    const patience = realClock.after(PATIENCE_MS, () => {
      waited = true;
      socket.destroy();
    });
    socket.on("error", () => {});
    socket.resume();
    socket.once("close", () => {
      patience.cancel();
      resolve(waited);
    });
    socket.write(bytes, () => {
      if (then === "FIN") socket.end();
      else if (then === "RST") socket.resetAndDestroy();
      else setImmediate(() => socket.destroy());
    });
  });
}

/** A well-formed question for the API server's name, A. */
function query(id: number): Buffer {
  const name = ["kubernetes", "default", "svc", "cluster", "local"].map((label) => `${String.fromCharCode(label.length)}${label}`).join("");
  return Buffer.concat([Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), Buffer.from(name), Buffer.from([0, 0, 1, 0, 1])]);
}
