import t from "tap";
import { PassThrough, Writable } from "node:stream";
import { once } from "node:events";
import { Pods } from "../../model/resources.ts";
import type { ExecStreams, LogOptions } from "../../model/ports.ts";
import { container, pod, testCluster, type TestCluster } from "./support.ts";

const options = (more: Partial<LogOptions> = {}): LogOptions => ({
  follow: false,
  previous: false,
  timestamps: false,
  signal: new AbortController().signal,
  ...more,
});

async function logText({ store, workloads }: TestCluster, name: string, more: Partial<LogOptions> = {}, of = "main"): Promise<string> {
  const found = store.get(Pods, "default", name);
  if (!found) throw new Error(`no pod ${name}`);
  let text = "";
  for await (const chunk of workloads.streams.logs(found, of, options(more))) text += chunk;
  return text;
}

function collector(): { streams: ExecStreams; stdin: PassThrough; out: () => string; abort: AbortController } {
  let output = "";
  const sink = (): Writable => new Writable({ write: (chunk: Buffer, _encoding, done) => ((output += chunk.toString()), done()) });
  const abort = new AbortController();
  const stdin = new PassThrough();
  return {
    streams: { stdin, stdout: sink(), stderr: sink(), tty: false, resize: (async function* () {})(), signal: abort.signal },
    stdin,
    out: () => output,
    abort,
  };
}

t.test("logs: tail, limit, timestamps, since, follow, previous", async (t) => {
  const cluster = await testCluster(t);
  const { store, clock } = cluster;
  await store.create(
    Pods,
    pod("w", { restartPolicy: "Never", containers: [container("tool", { command: ["sh", "-c", "echo one; echo two; printf three"] })] }),
  );
  await store.create(Pods, pod("c", { containers: [container("crash")] }));
  await store.settle();
  t.equal(await logText(cluster, "w"), "one\ntwo\nthree");
  t.equal(await logText(cluster, "w", { tailLines: 1 }), "three");
  t.equal(await logText(cluster, "w", { limitBytes: 5 }), "one\nt");
  t.equal(await logText(cluster, "w", { timestamps: true, tailLines: 2, limitBytes: 35 }), "2025-01-01T00:00:00.000000000Z two\n");
  t.match(await logText(cluster, "c", { previous: true }), /^Error: boom\n/);
  await clock.advance(9000);
  t.equal(await logText(cluster, "w", { sinceSeconds: 5 }), "");
});

t.test("logs -f goes on until the container ends", async (t) => {
  const cluster = await testCluster(t);
  const { store } = cluster;
  await store.create(Pods, pod("f"));
  await store.settle();
  const followed = logText(cluster, "f", { follow: true });
  await store.delete(Pods, "default", "f");
  t.equal(await followed, "listening\n");
});

t.test("what cannot be streamed says so in upstream's words", async (t) => {
  const cluster = await testCluster(t, { strictImages: true });
  const { store, workloads } = cluster;
  await store.create(Pods, pod("p", { containers: [container("nowhere")] }));
  await store.create(Pods, pod("n", { volumes: [{ name: "v", configMap: { name: "none" } }] }));
  await store.create(Pods, pod("ok"));
  await store.settle();
  await t.rejects(logText(cluster, "p"), { message: 'container "main" in pod "p" is waiting to start: trying and failing to pull image' });
  await t.rejects(logText(cluster, "n"), { message: 'container "main" in pod "n" is waiting to start: ContainerCreating' });
  await t.rejects(logText(cluster, "ok", {}, "x"), { message: "container x is not valid for pod ok" });
  await t.rejects(logText(cluster, "ok", { previous: true }), { message: 'previous terminated container "main" in pod "ok" not found' });
  const ok = store.get(Pods, "default", "ok");
  if (!ok) return;
  const { streams } = collector();
  await t.rejects(workloads.streams.exec(ok, "x", ["ls"], streams), {
    message: 'Internal error occurred: unable to upgrade connection: container not found ("x")',
  });
  await t.rejects(workloads.streams.exec(ok, "main", ["foo"], streams), {
    code: 500,
    message:
      /OCI runtime exec failed: exec failed: unable to start container process: exec: "foo": executable file not found in \$PATH: unknown$/,
  });
  t.equal(await workloads.streams.exec(ok, "main", ["sh", "-c", "exit 3"], streams), 3);
});

t.test("port-forward reaches the pod's own loopback; a closed port refuses", async (t) => {
  const { store, workloads } = await testCluster(t);
  await store.create(Pods, pod("pf"));
  await store.settle();
  const found = store.get(Pods, "default", "pf");
  if (!found) return t.fail("no pod");
  const connection = await workloads.streams.portForward(found, 80, new AbortController().signal);
  connection.write("GET / HTTP/1.0\r\n\r\n");
  const [chunk] = await once(connection, "data");
  t.match(String(chunk), "HTTP/1.1 200 OK");
  connection.destroy();
  await t.rejects(workloads.streams.portForward(found, 81, new AbortController().signal), { code: "ECONNREFUSED" });
});

t.test("attach replays what came before and carries stdin", async (t) => {
  const { store, workloads } = await testCluster(t);
  const shell = container("tool", { command: ["sh", "-c", "echo ready; read x; echo got $x; exit 4"], stdin: true, stdinOnce: true });
  await store.create(Pods, pod("at", { restartPolicy: "Never", containers: [shell] }));
  await store.settle();
  const found = store.get(Pods, "default", "at");
  if (!found) return t.fail("no pod");
  const { streams, stdin, out } = collector();
  const code = workloads.streams.attach(found, "main", streams);
  stdin.end("hello\n");
  t.equal(await code, 4);
  t.equal(out(), "ready\ngot hello\n");
});
