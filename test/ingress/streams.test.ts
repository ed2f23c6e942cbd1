// tcp-services and udp-services: entries read as upstream reads them, listeners that come and go, PROXY protocol both ways.
// Facts: ingress-nginx controller.go getStreamServices (messages), nginx.tmpl stream block, docs/user-guide/exposing-tcp-udp-services.md,
// test/e2e/tcpudp/tcp.go, test/e2e/settings/proxy_protocol.go; ngx_stream_proxy_module (proxy_half_close off, proxy_responses).
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import t from "tap";
import { DEFAULT_FLAGS, parseFlags } from "../../ingress/config.ts";
import { compileStreamServices } from "../../ingress/routes/stream-services.ts";
import { Upstreams } from "../../ingress/routes/upstreams.ts";
import type { Service } from "../../model/kinds/core-v1.ts";
import type { Peer } from "../../model/ports.ts";
import { ConfigMaps, EndpointSlices, Events, Services } from "../../model/resources.ts";
import { createHarness, type World } from "./harness.ts";
import { raw, until } from "./raw.ts";

function service(name: string, ports: Service["spec"]["ports"], spec: Partial<Service["spec"]> = {}): Service {
  return { apiVersion: "v1", kind: "Service", metadata: { namespace: "default", name }, spec: { ...(ports && { ports }), ...spec } };
}

t.test("entries", (t) => {
  const upstreams = new Upstreams();
  upstreams.setService(
    "default/example-go",
    service("example-go", [
      { name: "tcp", port: 8080, targetPort: 80 },
      { name: "dns", port: 53, targetPort: 5353, protocol: "UDP" },
      { name: "empty", port: 9, targetPort: "nowhere", protocol: "TCP" },
    ]),
  );
  upstreams.setService(
    "default/outside",
    service("outside", [{ name: "x", port: 5353, targetPort: 53 }], { type: "ExternalName", externalName: "dns.other." }),
  );
  upstreams.setService(
    "default/itself",
    service("itself", [{ port: 1, targetPort: 1 }], { type: "ExternalName", externalName: "localhost" }),
  );
  upstreams.setSlice("default/example-go-x", {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { namespace: "default", name: "example-go-x", labels: { "kubernetes.io/service-name": "example-go" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.244.1.5"] }, { addresses: ["127.244.1.6"], conditions: { ready: false } }],
    ports: [
      { name: "tcp", port: 80, protocol: "TCP" },
      { name: "dns", port: 5353, protocol: "UDP" },
    ],
  });
  const rows: readonly (readonly [protocol: "TCP" | "UDP", port: string, reference: string, expected: string])[] = [
    ["TCP", "9000", "default/example-go:8080", "tcp-default-example-go-8080 to 127.244.1.5:80"],
    ["TCP", "9000", "default/example-go:tcp", "tcp-default-example-go-tcp to 127.244.1.5:80"],
    ["TCP", "9000", "default/example-go:8080:PROXY", "tcp-default-example-go-8080 decode to 127.244.1.5:80"],
    ["TCP", "9000", "default/example-go:8080:proxy:Proxy", "tcp-default-example-go-8080 decode encode to 127.244.1.5:80"],
    ["TCP", "9000", "default/example-go:8080::PROXY", "tcp-default-example-go-8080 encode to 127.244.1.5:80"],
    ["TCP", "9000", "default/example-go:8080:no:no", "tcp-default-example-go-8080 to 127.244.1.5:80"],
    ["UDP", "53", "default/example-go:53", "udp-default-example-go-53 to 127.244.1.5:5353"],
    ["UDP", "53", "default/example-go:dns:PROXY:PROXY", "udp-default-example-go-dns to 127.244.1.5:5353"],
    ["TCP", "53", "default/outside:5353", "tcp-default-outside-5353 to dns.other:53"],
    ["TCP", "abc", "default/example-go:8080", '"abc" is not a valid TCP port number'],
    ["TCP", "70000", "default/example-go:8080", '"70000" is not a valid TCP port number'],
    [
      "TCP",
      "443",
      "default/example-go:8080",
      "Port 443 cannot be used for TCP stream services. It is reserved for the Ingress controller.",
    ],
    [
      "UDP",
      "10254",
      "default/example-go:53",
      "Port 10254 cannot be used for UDP stream services. It is reserved for the Ingress controller.",
    ],
    [
      "TCP",
      "442",
      "default/example-go:8080",
      "Port 442 cannot be used for TCP stream services. It is reserved for the Ingress controller.",
    ],
    ["TCP", "9000", "default/example-go", 'Invalid Service reference "default/example-go" for TCP port 9000'],
    ["TCP", "9000", "example-go:8080", "invalid format (namespace/name) found in 'example-go'"],
    ["TCP", "9000", "a/b/c:8080", "invalid format (namespace/name) found in 'a/b/c'"],
    ["TCP", "9000", "default/none:8080", 'Error getting Service "default/none": no object matching key "default/none" in local store'],
    ["TCP", "9000", "default/example-go:81", 'Service "default/example-go" does not have any active Endpoint for TCP port 81'],
    // A number is the Service's port, not its target: getStreamServices.
    ["TCP", "9000", "default/example-go:80", 'Service "default/example-go" does not have any active Endpoint for TCP port 80'],
    ["TCP", "9000", "default/example-go:empty", 'Service "default/example-go" does not have any active Endpoint for TCP port empty'],
    ["UDP", "9000", "default/example-go:8080", 'Service "default/example-go" does not have any active Endpoint for UDP port 8080'],
    ["TCP", "9000", "default/itself:1", 'Service "default/itself" does not have any active Endpoint for TCP port 1'],
  ];
  for (const [protocol, port, reference, expected] of rows) {
    const { services, problems } = compileStreamServices(
      [{ configMap: "a/b", protocol, data: { [port]: reference } }],
      DEFAULT_FLAGS,
      upstreams,
    );
    const shown = services.map(
      ({ upstream, decode, encode, peers }) =>
        `${upstream}${decode ? " decode" : ""}${encode ? " encode" : ""} to ${peers.map(({ id }) => id).join()}`,
    );
    t.strictSame([...shown, ...problems.map(({ text }) => text)], [expected], `${protocol} ${port}: ${reference}`);
  }
  const reserved = (...args: string[]): readonly string[] =>
    ["8181", "10245", "10246", "10247", "7000"].filter((port) => {
      const data = { [port]: "default/example-go:8080" };
      return compileStreamServices([{ configMap: "a/b", protocol: "TCP", data }], parseFlags(args), upstreams).services.length === 0;
    });
  t.strictSame(reserved(), ["8181", "10245", "10246", "10247"], "nginx's own ports");
  t.strictSame(reserved("--status-port=7000"), ["8181", "10245", "10247", "7000"]);
  t.strictSame(reserved("--default-server-port=1", "--profiler-port=2", "--status-port=3", "--stream-port=7000"), ["7000"]);
  t.end();
});

const harness = await createHarness(t);
const FLAGS = ["--tcp-services-configmap=ingress-nginx/tcp-services", "--udp-services-configmap=ingress-nginx/udp-services"];
const configMap = (name: string, data: Readonly<Record<string, string>>) =>
  ({ apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "ingress-nginx", name }, data }) as const;

/** Says who it is and what it got, then what it gets from then on. */
function talker(pod: string): Server {
  return createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.write(`${pod}\n`);
    socket.on("data", (chunk: Buffer) => socket.write(chunk));
    socket.on("end", () => socket.end("bye\n"));
  });
}

async function setMap(world: World, name: string, data: Readonly<Record<string, string>>): Promise<void> {
  await world.store.mutate(ConfigMaps, "ingress-nginx", name, (edited) => void (edited.data = { ...data }));
  await world.settle();
}

const isOpen = (world: World, port: number, protocol: "TCP" | "UDP" = "TCP"): boolean =>
  harness.fabric.socketOf({ ip: world.ip, port }, protocol) !== undefined;

await t.test("listeners follow the ConfigMap, the Service and its endpoints", async (t) => {
  await using world = await harness.start({ flags: FLAGS });
  await world.create(ConfigMaps, configMap("tcp-services", {}));
  await world.service("talk", { replicas: 2, server: talker });
  await world.settle();
  t.notOk(isOpen(world, 9000));
  await setMap(world, "tcp-services", { 9000: "default/talk:80", 9001: "default/talk:http", 9002: "default/none:1", x: "y" });
  t.strictSame(
    [9000, 9001, 9002].map((port) => isOpen(world, port)),
    [true, true, false],
  );
  const answers: string[] = [];
  for (let i = 0; i < 4; i++) answers.push(await raw(world.socket(9000), "hello", /hello/));
  t.strictSame(
    answers.map((answer) => answer.replace("\n", " ")).sort(),
    ["talk-0 hello", "talk-0 hello", "talk-1 hello", "talk-1 hello"],
    "round robin",
  );

  const stays = connect(world.socket(9000).port, world.ip);
  let heard = "";
  stays.on("data", (chunk) => (heard += chunk.toString()));
  await until(() => heard.includes("talk-"));
  await setMap(world, "tcp-services", { 9001: "default/talk:http" });
  t.notOk(isOpen(world, 9000), "the port is closed");
  stays.write("still here");
  await until(() => heard.includes("still here"));
  t.pass("a connection under way goes on");
  stays.destroy();

  await setMap(world, "tcp-services", { 9001: "default/talk:http", 9003: "default/talk:80" });
  await world.scale("talk", 0);
  await world.settle();
  t.notOk(isOpen(world, 9001), "without endpoints there is no listener");
  await world.scale("talk", 1, { server: talker });
  await world.settle();
  t.match(await raw(world.socket(9001), "x", /x/), /talk-0\nx/);
  await world.store.delete(ConfigMaps, "ingress-nginx", "tcp-services");
  await world.settle();
  t.notOk(isOpen(world, 9001), "without its ConfigMap neither");
});

await t.test("wrong entries are logged by the controller, and are Warnings on the ConfigMap; the rest works", async (t) => {
  await using world = await harness.start({ flags: FLAGS });
  await world.service("talk", { server: talker });
  await world.create(ConfigMaps, configMap("tcp-services", { x: "y", 80: "default/talk:80", 9000: "default/talk:80", 9001: "talk:80" }));
  await world.create(ConfigMaps, configMap("udp-services", { 53: "default/talk:80" }));
  await world.settle();
  const expected = [
    '"x" is not a valid TCP port number',
    "Port 80 cannot be used for TCP stream services. It is reserved for the Ingress controller.",
    "invalid format (namespace/name) found in 'talk'",
    'Service "default/talk" does not have any active Endpoint for UDP port 80',
  ];
  const log = (): string => world.log.join("");
  for (const line of expected) t.ok(log().includes(`${line}\n`), line);
  await until(() => world.store.list(Events).filter(({ involvedObject }) => involvedObject.kind === "ConfigMap").length >= expected.length);
  const events = world.store.list(Events).filter(({ involvedObject }) => involvedObject.kind === "ConfigMap");
  for (const line of expected)
    t.ok(
      events.some(({ type, message }) => type === "Warning" && message === line),
      `event: ${line}`,
    );
  const before = log();
  await setMap(world, "tcp-services", { x: "z", 9000: "default/talk:80" });
  t.equal(log(), before, "what is told already is not told again");
  t.match(await raw(world.socket(9000), "hello", /hello/), /talk-0\nhello/);
});

await t.test("PROXY protocol: decoded, and written again as version 1", async (t) => {
  await using world = await harness.start({ flags: FLAGS, config: { "enable-real-ip": "true", "proxy-real-ip-cidr": "127.0.0.0/8" } });
  await world.service("talk", { server: talker });
  const map = { 9000: "default/talk:80:PROXY", 9001: "default/talk:80::PROXY", 9002: "default/talk:80:PROXY:PROXY" };
  await world.create(ConfigMaps, configMap("tcp-services", map));
  await world.settle();
  const header = "PROXY TCP4 192.0.2.9 192.0.2.1 4444 9000\r\n";
  t.equal(await raw(world.socket(9000), `${header}hello`, /hello/), "talk-0\nhello", "taken off");
  t.equal(await raw(world.socket(9000), "hello there, this is no header"), "", "without one the connection is closed");
  t.match(
    await raw(world.socket(9001), "hello", /hello/),
    new RegExp(`^talk-0\nPROXY TCP4 127\\.0\\.0\\.1 ${world.ip} \\d+ 9001\r\nhello$`),
    "added",
  );
  t.match(
    await raw(world.socket(9002), `${header}hello`, /hello/),
    `talk-0\nPROXY TCP4 192.0.2.9 ${world.ip} 4444 9002\r\nhello`,
    "passed on, with enable-real-ip",
  );
  await world.store.mutate(ConfigMaps, "ingress-nginx", "ingress-nginx-controller", (edited) => void (edited.data = {}));
  await world.settle();
  t.match(
    await raw(world.socket(9002), `${header}hello`, /hello/),
    /PROXY TCP4 127\.0\.0\.1 /,
    "without, the balancer is the client: nginx.tmpl set_real_ip_from",
  );
});

await t.test("the first FIN ends both directions, when all that it followed has been passed on", async (t) => {
  await using world = await harness.start({ flags: FLAGS });
  const big = "x".repeat(20_000_000);
  await world.service("talk", { server: talker });
  await world.service("once", { server: () => createServer((socket) => void socket.on("error", () => {}).end(big)) });
  await world.create(ConfigMaps, configMap("tcp-services", { 9000: "default/talk:80", 9001: "default/once:80" }));
  await world.settle();
  let bytes = 0;
  for await (const chunk of connect(world.socket(9001).port, world.ip)) {
    bytes += chunk.length;
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal(bytes, big.length, "the pod's, to a client that reads slowly");
  const socket = connect(world.socket(9000).port, world.ip);
  let heard = "";
  socket.on("data", (chunk) => (heard += chunk.toString()));
  await until(() => heard === "talk-0\n");
  socket.end("last");
  await once(socket, "close");
  t.ok(["talk-0\n", "talk-0\nlast", "talk-0\nlastbye\n"].includes(heard), "the client's");
});

await t.test("UDP: an answer for each datagram, sessions that end, changes live", async (t) => {
  await using world = await harness.start({ flags: FLAGS, config: { "proxy-stream-responses": "2" } });
  const sources = new Set<string>();
  const pods: string[] = [];
  for (const name of ["a", "b"]) {
    const ip = harness.ip();
    const peer: Peer = { kind: "pod", namespace: "default", name, ip, node: "node-0" };
    const handler = (message: Uint8Array, source: { port: number }, reply: (answer: Uint8Array) => void): void => {
      sources.add(`${name} ${source.port}`);
      for (const part of ["1", "2", "3"]) reply(Buffer.from(`${name}${part} ${Buffer.from(message).toString()}`));
    };
    const listening = await harness.fabric.expose({ ip, port: 5353 }, "UDP", { type: "datagram", handler }, peer);
    t.teardown(() => listening.close());
    pods.push(ip);
  }
  await world.create(Services, service("dns", [{ name: "dns", port: 53, targetPort: 5353, protocol: "UDP" }]));
  await world.create(EndpointSlices, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { namespace: "default", name: "dns-x", labels: { "kubernetes.io/service-name": "dns" } },
    addressType: "IPv4",
    endpoints: pods.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
    ports: [{ name: "dns", port: 5353, protocol: "UDP" }],
  });
  await world.create(ConfigMaps, configMap("udp-services", { 5300: "default/dns:dns" }));
  await world.settle();
  const at = harness.fabric.socketOf({ ip: world.ip, port: 5300 }, "UDP");
  if (!at) return t.fail("no UDP listener");
  const client = createSocket("udp4");
  t.teardown(() => void client.close());
  const got: string[] = [];
  client.on("message", (message) => got.push(message.toString()));
  for (const text of ["one", "two", "three"]) {
    const before = got.length;
    client.send(text, at.port, at.ip);
    await until(() => got.length >= before + 2);
  }
  t.strictSame(
    got,
    ["a1 one", "a2 one", "b1 two", "b2 two", "a1 three", "a2 three"],
    "two answers end a session, and the next takes the next pod",
  );
  t.equal(sources.size, 3, "each session has a port of its own");
  await setMap(world, "udp-services", {});
  t.notOk(isOpen(world, 5300, "UDP"));
});

await t.test("what is told of them", async (t) => {
  await using world = await harness.start({ flags: FLAGS });
  await world.service("talk", { server: talker });
  await world.create(ConfigMaps, configMap("tcp-services", { 9000: "default/talk:80:PROXY:PROXY", 9001: "talk" }));
  await world.create(Services, {
    ...service("ingress-nginx-controller", [{ name: "x", port: 9100, targetPort: 9000 }], {
      clusterIP: "127.96.9.9",
      clusterIPs: ["127.96.9.9"],
    }),
    metadata: { namespace: "ingress-nginx", name: "ingress-nginx-controller" },
  });
  await world.settle();
  const pod = `${world.podIp("talk")}:80`;
  t.match(world.diagnostics.dump?.({}), `tcp 9000 -> default/talk:80  (PROXY expected; PROXY sent)  [${pod}]`);
  t.match(world.diagnostics.dump?.({}), '# ingress-nginx/tcp-services: Invalid Service reference "talk" for TCP port 9001');
  t.match(world.diagnostics.dump?.({ as: "nginx" }), /stream \{\n\tserver \{\n.*"tcp-default-talk-80".*\n\t\tlisten 9000 proxy_protocol;/);
  const answer = await world.diagnostics.explain?.({
    from: { kind: "host", ip: "127.0.0.1" },
    to: "127.96.9.9:9100",
    host: "127.96.9.9",
    port: 9100,
    protocol: "TCP",
  });
  t.strictSame(answer, {
    title: "Ingress: tcp-default-talk-80",
    lines: [
      "TCP port 9000 of the controller goes to default/talk:80, as the tcp-services ConfigMap says",
      "a PROXY header must come first; without one the connection is closed",
      "a PROXY header is sent to the pod first",
      `each connection in turn among ${pod}`,
    ],
  });
});
