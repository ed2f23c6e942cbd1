// The stream access log: tcp-services and udp-services on the controller's stdout. And access-log-params of both logs.
// Facts: ingress-nginx config.go logFormatStream, nginx.tmpl stream block; ngx_stream_log_module, ngx_stream_core_module ($status).
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { ConfigMaps, EndpointSlices, Services } from "../../model/resources.ts";
import { ask } from "./client.ts";
import { createHarness, type World } from "./harness.ts";
import { addIngress, ingress, raw, until } from "./raw.ts";

const harness = await createHarness(t);
const FLAGS = ["--tcp-services-configmap=ingress-nginx/tcp-services", "--udp-services-configmap=ingress-nginx/udp-services"];
const configMap = (name: string, data: Readonly<Record<string, string>>) =>
  ({ apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "ingress-nginx", name }, data }) as const;

/** Answers "hello" to "hi", and closes. */
const greeter = (): Server =>
  createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end("hello"));
  });

const lines = (world: World): readonly string[] =>
  world.log
    .join("")
    .split("\n")
    .filter((line) => line.includes(" TCP ") || line.includes(" UDP ") || line.startsWith("stream "));

async function logged(world: World, count: number): Promise<readonly string[]> {
  await until(() => lines(world).length >= count);
  return lines(world);
}

async function start(config: Readonly<Record<string, string>>, clock?: VirtualClock): Promise<World> {
  const world = await harness.start({ flags: FLAGS, config, ...(clock && { clock }) });
  await world.service("greet", { server: greeter });
  await world.service("closed", { replicas: 2, closed: true });
  await world.create(
    ConfigMaps,
    configMap("tcp-services", { 9000: "default/greet:80", 9001: "default/closed:80", 9002: "default/greet:80:PROXY" }),
  );
  await world.settle();
  return world;
}

await t.test("the default line", async (t) => {
  await using world = await start({ "disable-access-log": "false" });
  await raw(world.socket(9000), "hi");
  t.match((await logged(world, 1)).at(-1), /^\[127\.0\.0\.1\] \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000\] TCP 200 5 2 0\.\d{3}$/);
  await raw(world.socket(9001), "hi");
  t.match((await logged(world, 2)).at(-1), /TCP 502 0 0 0\.\d{3}$/, "no pod listens");
  await raw(world.socket(9002), "hi there, no header\r\n");
  t.match((await logged(world, 3)).at(-1), /TCP 400 0 0 0\.\d{3}$/, "no PROXY header");
});

await t.test("log-format-stream and its variables", async (t) => {
  const names =
    "protocol status bytes_received bytes_sent proxy_upstream_name server_port upstream_addr upstream_bytes_sent upstream_bytes_received none";
  const format = `stream ${names
    .split(" ")
    .map((name) => `$${name}`)
    .join(" ")} \${remote_addr} $realip_remote_addr`;
  await using world = await start({ "log-format-stream": format, "enable-real-ip": "true" });
  await raw(world.socket(9000), "hi");
  const [first] = await logged(world, 1);
  const greet = `${world.podIp("greet")}:80`;
  t.equal(first, `stream TCP 200 2 5 tcp-default-greet-80 9000 ${greet} 2 5 - 127.0.0.1 127.0.0.1`);
  await raw(world.socket(9001), "hi");
  const [, second = ""] = await logged(world, 2);
  const tried = /tcp-default-closed-80 9001 (.*:80), (.*:80), (.*:80) 0, 0, 0 0, 0, 0 - /.exec(second);
  t.equal(new Set(tried?.slice(1)).size, 2, `three tries over two pods: ${second}`);
  await raw(world.socket(9002), "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nhi");
  t.match((await logged(world, 3)).at(-1), /^stream TCP 200 2 5 .* 1\.2\.3\.4 127\.0\.0\.1$/);
});

await t.test("UDP: one line for a session", async (t) => {
  await using world = await start({ "log-format-stream": "stream $protocol $status $bytes_received $bytes_sent $proxy_upstream_name" });
  const ip = harness.ip();
  const pod = { kind: "pod", namespace: "default", name: "dns-0", ip, node: "node-0" } as const;
  const handler = (message: Uint8Array, _: unknown, reply: (answer: Uint8Array) => void): void => reply(Buffer.concat([message, message]));
  const exposed = await harness.fabric.expose({ ip, port: 53 }, "UDP", { type: "datagram", handler }, pod);
  t.teardown(() => exposed.close());
  await world.create(Services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "default", name: "dns" },
    spec: { ports: [{ name: "dns", port: 53, protocol: "UDP" }] },
  });
  await world.create(EndpointSlices, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { namespace: "default", name: "dns-x", labels: { "kubernetes.io/service-name": "dns" } },
    addressType: "IPv4",
    endpoints: [{ addresses: [ip], conditions: { ready: true } }],
    ports: [{ name: "dns", port: 53, protocol: "UDP" }],
  });
  await world.create(ConfigMaps, configMap("udp-services", { 5353: "default/dns:dns" }));
  await world.settle();
  const at = harness.fabric.socketOf({ ip: world.ip, port: 5353 }, "UDP");
  const client = createSocket("udp4");
  t.teardown(() => client.close());
  client.send("abc", at?.port ?? 0, at?.ip);
  await once(client, "message");
  t.equal((await logged(world, 1))[0], "stream UDP 200 3 6 udp-default-dns-dns");
});

await t.test("who switches it on and off", async (t) => {
  const format = { "log-format-stream": "stream $status" };
  const rows: readonly (readonly [config: Readonly<Record<string, string>>, logged: boolean])[] = [
    [{}, false],
    [format, true],
    [{ "disable-stream-access-log": "false" }, true],
    [{ ...format, "disable-stream-access-log": "true" }, false],
    [{ ...format, "disable-access-log": "true" }, false],
    [{ ...format, "disable-http-access-log": "true" }, true],
    [{ ...format, "stream-access-log-path": "/tmp/stream.log" }, false],
    [{ ...format, "access-log-path": "/tmp/all.log" }, false],
    [{ ...format, "access-log-path": "/tmp/all.log", "stream-access-log-path": "/var/log/nginx/access.log" }, true],
  ];
  for (const [config, expected] of rows) {
    const world = await start(config);
    await raw(world.socket(9000), "hi");
    await world[Symbol.asyncDispose]();
    t.equal(lines(world).length, expected ? 1 : 0, JSON.stringify(config));
  }
});

await t.test("access-log-params: buffer and flush, for both logs", async (t) => {
  const clock = new VirtualClock();
  const config = { "log-format-upstream": "request $status", "log-format-stream": "stream $status" };
  await using world = await start({ ...config, "access-log-params": "buffer=40 flush=5s" }, clock);
  await addIngress(world, ingress("gone", "gone.example", "greet", { "permanent-redirect": "https://there.example" }));
  const all = (): string => world.log.filter((text) => /^(?:request|stream)/.test(text)).join("|");
  await ask(world.socket(80), { host: "gone.example" });
  await raw(world.socket(9000), "hi");
  t.equal(all(), "", "it waits");
  await until(() => clock.nextDueMs() !== undefined);
  await clock.advance(5000);
  t.equal(all(), "request 301\nstream 200\n");
  for (let i = 0; i < 4; i++) await ask(world.socket(80), { host: "gone.example" });
  await until(() => all().includes("|"));
  t.equal(all(), "request 301\nstream 200\n|request 301\nrequest 301\nrequest 301\n", "40 bytes are full");
  await world[Symbol.asyncDispose]();
  t.equal(all().split("|").length, 3, "the rest comes at the end");
});
