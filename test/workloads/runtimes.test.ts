import t from "tap";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import type { Test } from "tap";
import { realClock } from "../../model/clock.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { Image } from "../../model/ports.ts";
import { ConfigMaps, Pods } from "../../model/resources.ts";
import { eventually } from "../support/until.ts";
import { container, eventLines, pod, testCluster, type TestCluster } from "./support.ts";

const SERVER = `
import { createServer } from "node:http";
for (const port of [8080, 9090]) {
  createServer((request, response) => response.end([port, process.env.HOSTNAME, process.env.COLOR, process.env.POD_IP].join(" "))).listen(port, "0.0.0.0", () => console.log("on", port));
}
process.on("SIGTERM", () => { console.log("bye"); process.exit(0); });
`;

function temporary(t: Test, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "loopkube-test-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

async function get({ fabric, host }: TestCluster<typeof realClock>, found: Pod, port: number): Promise<string | undefined> {
  try {
    const connection = await fabric.dial(host, { ip: found.status?.podIP ?? "", port });
    connection.write("GET / HTTP/1.0\r\n\r\n");
    let text = "";
    connection.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await once(connection, "end");
    return text.split("\r\n\r\n")[1];
  } catch {
    return undefined;
  }
}

const two = [{ containerPort: 8080 }, { containerPort: 9090 }];

for (const kind of ["process", "worker"] as const) {
  t.test(`${kind}: two ports of a Node program, its environment, its log, a clean stop`, async (t) => {
    const folder = temporary(t, { "server.mjs": SERVER });
    const image: Image =
      kind === "process"
        ? { runtime: "process", command: [process.execPath, "server.mjs"], cwd: folder }
        : { runtime: "worker", module: join(folder, "server.mjs") };
    const cluster = await testCluster(t, { clock: realClock, images: [new Map([["shop/cart:1", image]])] });
    const { store, workloads } = cluster;
    await store.create(
      Pods,
      pod("cart", {
        containers: [container("docker.io/shop/cart:1", { ports: two, env: [{ name: "COLOR", value: "red" }] })],
        terminationGracePeriodSeconds: 5,
      }),
    );
    const running = await eventually("running", () => store.list(Pods).find((item) => item.status?.phase === "Running"));
    for (const port of [8080, 9090]) {
      t.equal(await eventually("an answer", () => get(cluster, running, port)), `${port} cart red ${running.status?.podIP}`);
    }
    let text = "";
    const followed = (async () => {
      const follow = { follow: true, previous: false, timestamps: false, signal: new AbortController().signal };
      for await (const chunk of workloads.streams.logs(running, "main", follow)) text += chunk;
    })();
    await store.delete(Pods, "default", "cart");
    await followed;
    t.match(text, /on 8080\n/);
    t.match(text, /bye\n$/);
    await eventually("gone", () => store.list(Pods).length === 0 || undefined);
  });
}

t.test("process: an image of the running cluster's ConfigMap, exec beside it, exit codes and a command that is not there", async (t) => {
  const folder = temporary(t, { "server.mjs": SERVER });
  const { store, workloads } = await testCluster(t, { clock: realClock });
  const entries = {
    a: { image: "mine/app", command: [process.execPath, "server.mjs"], cwd: folder },
    b: { image: "mine/none", command: ["no-such-program"] },
    c: "not json",
  };
  const data = Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, JSON.stringify(value)]));
  await store.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "loopkube-images", namespace: "kube-system" },
    data,
  });
  await store.create(Pods, pod("app", { containers: [container("mine/app:2")], terminationGracePeriodSeconds: 1 }));
  await store.create(Pods, pod("none", { restartPolicy: "Never", containers: [container("mine/none")] }));
  const running = await eventually("running", () =>
    store.list(Pods).find((item) => item.metadata.name === "app" && item.status?.phase === "Running"),
  );
  let output = "";
  const sink = (): Writable => new Writable({ write: (chunk: Buffer, _encoding, done) => ((output += chunk.toString()), done()) });
  const streams = { stdout: sink(), stderr: sink(), tty: false, resize: (async function* () {})(), signal: new AbortController().signal };
  t.equal(await workloads.streams.exec(running, "main", ["sh", "-c", "echo $HOSTNAME; exit 5"], streams), 5);
  t.equal(output, "app\n");
  await t.rejects(workloads.streams.exec(running, "main", ["no-such-program"], streams), {
    message: /exec: "no-such-program": executable file not found in \$PATH: unknown$/,
  });
  const failed = await eventually("failed", () =>
    store.list(Pods).find((item) => item.metadata.name === "none" && item.status?.phase === "Failed"),
  );
  t.match(failed.status?.containerStatuses?.[0]?.state?.terminated, {
    exitCode: 128,
    reason: "StartError",
    message: /unable to start container process: exec: "no-such-program"/,
  });
});

t.test("process: mounted files are real files below LOOPKUBE_ROOT, gone with the pod", async (t) => {
  const script =
    'cat "$LOOPKUBE_ROOT/etc/app/color" "$LOOPKUBE_ROOT/etc/hostname"; echo; echo "$LOOPKUBE_ROOT"; echo x > "$LOOPKUBE_ROOT/work/y"';
  const image: Image = { runtime: "process", command: ["sh", "-c", script] };
  const { store, workloads } = await testCluster(t, { clock: realClock, images: [new Map([["mine/app:1", image]])] });
  await store.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "app", namespace: "default" },
    data: { color: "red\n" },
  });
  const volumeMounts = [
    { name: "app", mountPath: "/etc/app" },
    { name: "work", mountPath: "/work" },
  ];
  const volumes = [
    { name: "app", configMap: { name: "app" } },
    { name: "work", emptyDir: {} },
  ];
  await store.create(Pods, pod("f", { containers: [container("mine/app:1", { volumeMounts })], volumes, restartPolicy: "Never" }));
  const ended = await eventually("an end", () =>
    store.list(Pods).find((item) => item.status?.phase === "Succeeded" || item.status?.phase === "Failed"),
  );
  let text = "";
  const options = { follow: false, previous: false, timestamps: false, signal: new AbortController().signal };
  for await (const chunk of workloads.streams.logs(ended, "main", options)) text += chunk;
  const [color, hostname, , root = ""] = text.split("\n");
  t.strictSame([ended.status?.phase, color, hostname], ["Succeeded", "red", "f"]);
  t.match(root, /loopkube-/);
  t.notOk(existsSync(root), "removed");
});

t.test("an unknown image is stood in for by an echo server that says so", async (t) => {
  const { store, fabric, host } = await testCluster(t);
  await store.create(Pods, pod("u", { containers: [container("acme/thing:7", { ports: [{ containerPort: 8080 }] })] }));
  await store.settle();
  t.match(eventLines(store, "u").join("\n"), /Warning UnknownImage x1 loopkube has no stand-in for image "acme\/thing:7"/);
  const connection = await fabric.dial(host, { ip: store.get(Pods, "default", "u")?.status?.podIP ?? "", port: 8080 });
  connection.write("POST /x HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi");
  let text = "";
  connection.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(connection, "end");
  t.match(text, /X-Loopkube-Unknown-Image: acme\/thing:7/);
  t.match(text, /POST \/x HTTP\/1\.0[\s\S]*hi$/);
});
