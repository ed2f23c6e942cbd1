// What people find in the controller's container: its version, nginx's configuration, and dbg (cmd/dbg/main.go, docs/troubleshooting.md).
import { text } from "node:stream/consumers";
import t from "tap";
import type { Peer } from "../../model/ports.ts";
import { Ingresses, Secrets } from "../../model/resources.ts";
import { pair } from "./case.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);

await t.test("dbg", async (t) => {
  await using world = await harness.start();
  await world.service("web", { replicas: 2 });
  await world.service("next");
  const sticky = { affinity: "cookie", "session-cookie-max-age": "60" };
  const canary = { canary: "true", "canary-weight": "20", "canary-by-header": "x-next" };
  await addIngress(world, ingress("web", "web.example", "web", sticky), ingress("next", "web.example", "next", canary));

  t.equal(await world.exec("/dbg", "backends", "list"), "default-next-80\ndefault-web-80\nupstream-default-backend\n");
  const all = JSON.parse(await world.exec("/dbg", "backends", "all")) as readonly Readonly<Record<string, unknown>>[];
  const [next, web, own] = all;
  t.match(web, {
    name: "default-web-80",
    port: 80,
    sslPassthrough: false,
    endpoints: [{ address: world.podIp("web"), port: "80" }, { port: "80" }],
    sessionAffinityConfig: {
      name: "cookie",
      mode: "",
      cookieSessionAffinity: { name: "INGRESSCOOKIE", maxage: "60", locations: { "web.example": ["/"] } },
    },
    upstreamHashByConfig: { "upstream-hash-by-subset-size": 3 },
    "load-balance": "round_robin",
    noServer: false,
    trafficShapingPolicy: { weight: 0, weightTotal: 0, header: "" },
    alternativeBackends: ["default-next-80"],
  });
  t.match(next, {
    name: "default-next-80",
    noServer: true,
    trafficShapingPolicy: { weight: 20, weightTotal: 100, header: "x-next", headerValue: "", headerPattern: "", cookie: "" },
  });
  t.strictSame(own?.["endpoints"], [{ address: "127.0.0.1", port: "8181" }]);
  const got = await world.exec("/dbg", "backends", "get", "default-web-80");
  t.strictSame(JSON.parse(got), web);
  t.match(got, /^\{\n {2}"alternativeBackends": \[\n/, "keys in order");
  t.equal(await world.exec("/dbg", "backends", "get", "none"), "A backend of this name was not found.\n");
  t.match(await world.exec("/dbg", "backends", "get"), /^Error: accepts 1 arg\(s\), received 0\n[^]*exit 1\n$/);
  t.equal(await world.exec("/dbg", "general"), "{}\n");
  t.match(await world.exec("/dbg"), /^dbg is a tool for quickly inspecting/);
  t.match(await world.exec("/dbg", "nothing"), /^Error: unknown command "nothing" for "dbg"\n[^]*exit 1\n$/);
  t.equal(`${world.file("/etc/nginx/nginx.conf")}\n`, await world.exec("/dbg", "conf"));
});

await t.test("dbg certs", async (t) => {
  await using world = await harness.start();
  await world.service("web");
  const { cert, key } = pair("secure.example", "server");
  const data = { "tls.crt": Buffer.from(cert).toString("base64"), "tls.key": Buffer.from(key).toString("base64") };
  await world.create(Secrets, { apiVersion: "v1", kind: "Secret", metadata: { namespace: "default", name: "tls" }, data });
  const secure = ingress("secure", "secure.example", "web");
  const { ingressClassName, rules = [] } = secure.spec ?? {};
  const tls = [{ hosts: ["secure.example"], secretName: "tls" }];
  await world.create(Ingresses, { ...secure, spec: { ...(ingressClassName === undefined ? {} : { ingressClassName }), rules, tls } });
  await addIngress(world, ingress("plain", "plain.example", "web"));
  t.equal(await world.exec("/dbg", "certs", "get", "secure.example"), `${cert}\n${key}`.trimEnd() + "\n");
  t.equal(await world.exec("/dbg", "certs", "get", "plain.example"), "No cert found for host plain.example\n");
  t.match(await world.exec("/dbg", "certs", "get", "_"), /^-----BEGIN CERTIFICATE-----[^]*PRIVATE KEY-----\n$/, "the fake certificate");
});

await t.test("nginx and the controller", async (t) => {
  await using world = await harness.start();
  await world.service("web");
  await addIngress(world, ingress("web", "web.example", "web"));
  const conf = world.file("/etc/nginx/nginx.conf") ?? "";
  t.match(conf, /server_name web\.example;/, "made when it is read");
  t.match(await world.exec("/nginx-ingress-controller", "--version"), / {2}Release: {7}v1\.15\.1\n/);
  t.equal(await world.exec("nginx", "-v"), "nginx version: nginx/1.27.1\n");
  const tested =
    "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\nnginx: configuration file /etc/nginx/nginx.conf test is successful\n";
  t.equal(await world.exec("nginx", "-t"), tested);
  t.equal(await world.exec("nginx", "-T"), `${tested}# configuration file /etc/nginx/nginx.conf:\n${conf}\n`);
  t.match(await world.exec("/nginx-ingress-controller"), /port 80 is already in use\. Please check the flag --http-port\nexit 255\n$/);
  t.match(await world.exec("/nginx-ingress-controller", "--nonsense"), /unknown flag: --nonsense\nexit 255\n$/);
});

await t.test("the status port answers the pod's own programs alone", async (t) => {
  await using world = await harness.start();
  await world.service("web");
  await addIngress(world, ingress("web", "web.example", "web"));
  await ask(world.socket(80), { host: "web.example" });
  const self: Peer = { kind: "pod", namespace: "ingress-nginx", name: "controller", ip: world.ip, node: "node-0" };
  const inside = async (method: string, target: string): Promise<string> => {
    const socket = await harness.fabric.dial(self, { ip: world.ip, port: 10246 });
    socket.end(`${method} ${target} HTTP/1.0\r\nHost: localhost\r\n\r\n`);
    return (await text(socket)).replace(/^HTTP\/1\.1 (\d+)[^]*?\r\n\r\n/, "$1 ");
  };
  t.match(await inside("GET", "/nginx_status"), /^200 Active connections: \d+ \nserver accepts handled requests\n 1 1 1 \nReading: 0 /);
  const rows = [
    ["GET", "/is-dynamic-lb-initialized", "200 OK"],
    ["GET", "/healthz", "200 "],
    ["GET", "/configuration/general", "200 {}"],
    ["GET", "/configuration/certs", "400 Hostname must be specified."],
    ["GET", "/configuration/certs?hostname=none", "404 No key associated with this hostname."],
    ["PUT", "/configuration/backends", "400 Only POST and GET requests are allowed!"],
    ["GET", "/configuration/none", "404 Not found!"],
    ["GET", "/", "404 "],
  ] as const;
  for (const [method, target, answer] of rows) t.equal(await inside(method, target), answer, `${method} ${target}`);
  t.match(await inside("GET", "/configuration/backends"), /^200 \[\{"name":"default-web-80",/);
  await t.rejects(ask(world.socket(10246), { path: "/nginx_status" }), { code: "ECONNRESET" });
});
