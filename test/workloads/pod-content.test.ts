import t from "tap";
import { Writable } from "node:stream";
import { ConfigMaps, Pods, Secrets, Services } from "../../model/resources.ts";
import type { ExecStreams } from "../../model/ports.ts";
import { programsOf, withTools } from "../../workloads/images/index.ts";
import { runTool } from "../../workloads/tools/index.ts";
import { container, eventLines, pod, podLines, testCluster, type TestCluster } from "./support.ts";

/** What a command prints in a pod, with its exit code. */
async function run({ store, workloads }: TestCluster, name: string, command: readonly string[]): Promise<string> {
  const found = store.get(Pods, "default", name);
  if (!found) throw new Error(`no pod ${name}`);
  let output = "";
  const sink = (): Writable => new Writable({ write: (chunk: Buffer, _encoding, done) => ((output += chunk.toString()), done()) });
  const streams: ExecStreams = {
    stdout: sink(),
    stderr: sink(),
    tty: false,
    resize: (async function* () {})(),
    signal: new AbortController().signal,
  };
  const code = await workloads.streams.exec(found, "main", command, streams);
  return code === 0 ? output : `${output}[exit ${code}]`;
}

const configMap = (name: string, data: Record<string, string>) =>
  ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data }) as const;

t.test("env: literals, references, expansion and services", async (t) => {
  const cluster = await testCluster(t);
  const { store } = cluster;
  await store.create(ConfigMaps, configMap("cm", { COLOR: "blue", SIZE: "9" }));
  await store.create(Secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "se", namespace: "default" },
    data: { pass: Buffer.from("hunter2").toString("base64") },
  });
  await store.create(Services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "my-db", namespace: "default" },
    spec: { clusterIP: "127.96.0.9", ports: [{ name: "pg", port: 5432, protocol: "TCP" }] },
  });
  const env = [
    { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
    { name: "PASS", valueFrom: { secretKeyRef: { name: "se", key: "pass" } } },
    { name: "ONE", valueFrom: { configMapKeyRef: { name: "cm", key: "COLOR" } } },
    { name: "LIMIT", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1m" } } },
    { name: "URL", value: "http://$(POD):$(MY_DB_SERVICE_PORT)/$$(POD)/$(NOPE)" },
  ];
  await store.create(
    Pods,
    pod("e", {
      containers: [
        container("web", { env, envFrom: [{ prefix: "C_", configMapRef: { name: "cm" } }], resources: { limits: { cpu: "250m" } } }),
      ],
    }),
  );
  await store.settle();
  const lines = new Set((await run(cluster, "e", ["env"])).split("\n"));
  const ip = store.get(Pods, "default", "e")?.status?.podIP;
  for (const line of [
    "POD=e",
    `IP=${ip}`,
    "PASS=hunter2",
    "ONE=blue",
    "C_SIZE=9",
    "LIMIT=250",
    "URL=http://e:5432/$(POD)/$(NOPE)",
    "MY_DB_SERVICE_HOST=127.96.0.9",
    "MY_DB_SERVICE_PORT_PG=5432",
    "MY_DB_PORT=tcp://127.96.0.9:5432",
    "MY_DB_PORT_5432_TCP_ADDR=127.96.0.9",
  ]) {
    t.ok(lines.has(line), line);
  }
});

t.test("a missing reference holds the container back until it is there", async (t) => {
  const { store } = await testCluster(t);
  const env = [{ name: "X", valueFrom: { configMapKeyRef: { name: "late", key: "x" } } }];
  await store.create(Pods, pod("m", { containers: [container("web", { env })] }));
  await store.create(Pods, pod("v", { volumes: [{ name: "vol", configMap: { name: "late" } }] }));
  await store.settle();
  t.match(store.get(Pods, "default", "m")?.status?.containerStatuses?.[0]?.state, {
    waiting: { reason: "CreateContainerConfigError", message: 'configmap "late" not found' },
  });
  t.match(store.get(Pods, "default", "v")?.status?.containerStatuses?.[0]?.state, { waiting: { reason: "ContainerCreating" } });
  t.match(eventLines(store, "v").at(-1), 'Warning FailedMount x1 MountVolume.SetUp failed for volume "vol" : configmap "late" not found');
  await store.create(ConfigMaps, configMap("late", { x: "1" }));
  await store.settle();
  t.equal(podLines(store), "m Running 1/1 0\nv Running 1/1 0");
});

t.test("files: hosts, resolv.conf, ConfigMap volumes that follow changes, emptyDir shared, read-only mounts", async (t) => {
  const cluster = await testCluster(t);
  const { store } = cluster;
  await store.create(ConfigMaps, configMap("cfg", { "a.txt": "one", "b.txt": "two" }));
  const volumes = [
    { name: "cfg", configMap: { name: "cfg" } },
    { name: "tmp", emptyDir: {} },
  ];
  const mounts = [
    { name: "cfg", mountPath: "/etc/cfg", readOnly: true },
    { name: "cfg", mountPath: "/etc/single", subPath: "b.txt" },
    { name: "tmp", mountPath: "/shared" },
  ];
  const init = container("tool", {
    name: "init",
    command: ["sh", "-c", "echo from init > /shared/f"],
    volumeMounts: [{ name: "tmp", mountPath: "/shared" }],
  });
  await store.create(
    Pods,
    pod("f", {
      hostname: "box",
      subdomain: "sub",
      hostAliases: [{ ip: "127.9.9.9", hostnames: ["alias"] }],
      dnsConfig: { options: [{ name: "ndots", value: "2" }], searches: ["extra.example"] },
      initContainers: [init],
      containers: [container("web", { volumeMounts: mounts })],
      volumes,
    }),
  );
  await store.settle();
  const cat = (path: string): Promise<string> => run(cluster, "f", ["cat", path]);
  const ip = store.get(Pods, "default", "f")?.status?.podIP;
  t.equal(await cat("/etc/hostname"), "box\n");
  t.match(await cat("/etc/hosts"), `${ip}\tbox.sub.default.svc.cluster.local\tbox\n`);
  t.match(await cat("/etc/hosts"), "127.9.9.9\talias\n");
  t.match(
    await cat("/etc/resolv.conf"),
    /^search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local extra\.example\nnameserver 127\.\d+\.0\.10\noptions ndots:2\n$/,
  );
  t.equal(await cat("/etc/cfg/a.txt"), "one");
  t.equal(await cat("/etc/single"), "two");
  t.equal(await cat("/shared/f"), "from init\n");
  t.equal((await run(cluster, "f", ["ls", "/etc/cfg"])).split(/\s+/).filter(Boolean).join(" "), "a.txt b.txt");
  t.match(await run(cluster, "f", ["sh", "-c", "echo x > /etc/cfg/new"]), /Read-only file system/);
  t.match(await cat("/var/run/secrets/kubernetes.io/serviceaccount/namespace"), "default");
  await store.mutate(ConfigMaps, "default", "cfg", (edited) => void (edited.data = { "a.txt": "changed" }));
  t.equal(await cat("/etc/cfg/a.txt"), "changed");
});

t.test("init containers run in order, a sidecar stays, a failing one keeps the pod Pending", async (t) => {
  const { store } = await testCluster(t);
  const step = (name: string, code: string): ReturnType<typeof container> => container("exit", { name, command: [code] });
  await store.create(
    Pods,
    pod("ok", {
      initContainers: [
        step("one", "0"),
        container("web", { name: "side", restartPolicy: "Always", ports: [{ containerPort: 9 }] }),
        step("two", "0"),
      ],
    }),
  );
  await store.create(Pods, pod("bad", { initContainers: [step("one", "1")] }));
  await store.create(Pods, pod("never", { restartPolicy: "Never", initContainers: [step("one", "1")] }));
  await store.settle();
  t.equal(podLines(store), "bad Pending 0/1 0\nnever Failed 0/1 0\nok Running 1/1 0");
  t.match(store.get(Pods, "default", "ok")?.status?.initContainerStatuses, [
    { state: { terminated: { exitCode: 0 } }, ready: true },
    { state: { running: {} }, ready: true },
    { ready: true },
  ]);
  t.match(store.get(Pods, "default", "bad")?.status, {
    conditions: [{}, { type: "Initialized", reason: "ContainersNotInitialized", message: "containers with incomplete status: [one]" }],
    containerStatuses: [{ state: { waiting: { reason: "PodInitializing" } } }],
  });
});

t.test("programs and generated files of an image", async (t) => {
  let reads = 0;
  const image = withTools({
    runtime: "inline",
    cmd: ["/serve"],
    async program({ argv, files, signal }) {
      files.generate("/etc/serve/conf", () => `read ${++reads} by ${argv.join(" ")}\n`);
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      return 0;
    },
    programs: {
      async ask(argv, { stdout, context }) {
        stdout.write(`${argv.join(" ")} in ${context.hostname}\n`);
        return 3;
      },
    },
  });
  const cluster = await testCluster(t, {
    findImage: () => image,
    execTool: (command, context, streams, found) => runTool(command, context, streams, programsOf(found)),
  });
  const { store } = cluster;
  for (const [name, command] of [["own"], ["other", ["sleep", "3600"]], ["flags", ["/usr/bin/init", "--", "/serve", "-v"]]] as const)
    await store.create(Pods, pod(name, { containers: [container("feature/image", command && { command: [...command] })] }));
  await store.settle();
  t.equal(await run(cluster, "own", ["ask", "what"]), "ask what in own\n[exit 3]");
  t.equal(
    await run(cluster, "own", ["sh", "-c", "/ask; cat /etc/serve/conf /etc/serve/conf; ls /etc/serve"]),
    "/ask in own\nread 1 by /serve\nread 2 by /serve\nconf\n",
  );
  t.equal(
    await run(cluster, "own", ["sh", "-c", "echo new > /etc/serve/conf; cat /etc/serve/conf; rm /etc/serve/conf; ls /etc"]),
    "new\nhostname\nhosts\nresolv.conf\n",
  );
  t.match(await run(cluster, "other", ["ps"]), / sleep 3600\n/);
  t.match(await run(cluster, "other", ["cat", "/etc/serve/conf"]), /No such file/, "its program does not run");
  t.match(await run(cluster, "flags", ["cat", "/etc/serve/conf"]), /by \/usr\/bin\/init -- \/serve -v\n/);
});
