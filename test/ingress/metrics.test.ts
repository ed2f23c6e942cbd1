// What 10254 tells: names and labels of upstream, histograms of requests, certificates, orphans, connections, admission.
import { createServer } from "node:http";
import { connect } from "node:net";
import t from "tap";
import { Ingresses, Secrets } from "../../model/resources.ts";
import { pair } from "./case.ts";
import { ask } from "./client.ts";
import { createHarness, type World } from "./harness.ts";
import { addIngress, ingress, raw, until } from "./raw.ts";

const harness = await createHarness(t);

/** Series by their name with sorted labels; labels of the controller itself are left out. */
async function scrape(world: World): Promise<ReadonlyMap<string, string>> {
  const text = (await ask(world.socket(10254), { path: "/metrics" })).body.toString();
  const series = new Map<string, string>();
  for (const line of text.split("\n")) {
    const found = /^nginx_ingress_controller_(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) continue;
    const labels = (found[2] ?? "").match(/\w+="[^"]*"/g)?.filter((label) => !label.startsWith("controller_")) ?? [];
    series.set(`${found[1]}{${labels.join(",")}}`, found[3] ?? "");
  }
  return series;
}

const WEB = 'canary="",host="web.example",ingress="web",method="POST",namespace="default",path="/shop",service="web",status="200"';

await t.test("requests and their histograms (e2e metrics/metrics.go, collectors/socket_test.go)", async (t) => {
  await using world = await harness.start();
  await world.service("web", {
    server: () => createServer((request, response) => request.resume().once("end", () => response.end("hello"))),
  });
  await world.service("refusing", { replicas: 3, closed: true });
  await addIngress(
    world,
    ingress("web", "web.example", "web", {}, "/shop"),
    ingress("wild", "*.wild.example", "web"),
    ingress("refusing", "refusing.example", "refusing"),
  );
  const at = world.socket(80);
  const sent = "POST /shop/x HTTP/1.1\r\nHost: web.example\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
  const answer = await raw(at, sent);
  for (const host of ["a.wild.example", "unknown.example"]) await ask(at, { host });
  t.equal((await ask(at, { host: "refusing.example" })).status, 502);
  const series = await scrape(world);
  const value = (name: string): string | undefined => series.get(name);
  t.equal(value(`requests{${WEB}}`), "1");
  t.equal(value(`request_size_sum{${WEB}}`), String(sent.length));
  t.equal(value(`response_size_sum{${WEB}}`), String(answer.length));
  t.equal(value(`bytes_sent_sum{${WEB}}`), String(answer.length));
  t.equal(value(`request_size_bucket{${WEB},le="80"}`), "0");
  t.equal(value(`request_size_bucket{${WEB},le="90"}`), "1");
  t.equal(value(`bytes_sent_bucket{${WEB},le="10"}`), "0");
  t.equal(value(`bytes_sent_bucket{${WEB},le="1000"}`), "1");
  for (const name of ["request", "response", "header", "connect"]) {
    t.equal(value(`${name}_duration_seconds_count{${WEB}}`), "1", name);
    t.ok(Number(value(`${name}_duration_seconds_sum{${WEB}}`)) < 5, name);
    t.equal(value(`${name}_duration_seconds_bucket{${WEB},le="10"}`), "1", name);
  }
  const refusing = WEB.replace(/web/g, "refusing").replace("POST", "GET").replace("/shop", "/").replace("200", "502");
  t.equal(value(`requests{${refusing}}`), "1");
  t.equal(value(`request_duration_seconds_count{${refusing}}`), "1");
  t.equal(value(`response_duration_seconds_count{${refusing}}`), undefined, "a list over three tries is no number");
  t.equal([...series.keys()].filter((name) => name.startsWith("requests{")).length, 2, "hosts that no server names are not counted");
  await world.store.delete(Ingresses, "default", "web");
  await world.settle();
  t.equal((await scrape(world)).get(`requests{${WEB}}`), undefined, "series go with their Ingress");
});

await t.test(
  "labels of a canary, of an error's page, of gRPC, of an upgrade, of a body that breaks off (log_by_lua: monitor.lua)",
  async (t) => {
    await using world = await harness.start();
    const hold: unknown[] = [];
    await world.service("web", {
      server: () =>
        createServer((request, response) => (request.url === "/404" ? response.writeHead(404).end() : void hold.push(response))).on(
          "upgrade",
          (_, socket) => socket.on("error", () => {}).end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
        ),
    });
    await world.service("next");
    await world.service("errs");
    await world.service("calls", { protocol: "grpc" });
    await addIngress(
      world,
      ingress("main", "main.example", "web"),
      ingress("pages", "pages.example", "web", { "custom-http-errors": "404", "default-backend": "errs" }),
      ingress("calls", "calls.example", "calls", { "backend-protocol": "GRPC" }),
      ingress("canary", "main.example", "next", { canary: "true", "canary-by-header": "new" }),
    );
    const at = world.socket(80);
    await ask(at, { host: "main.example", headers: { new: "always" } });
    await ask(at, { host: "pages.example", path: "/404" });
    await ask(at, { host: "calls.example", path: "/grpc.Test/Unary" });
    await raw(at, "GET /ws HTTP/1.1\r\nHost: main.example\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
    const cut = connect({ host: at.ip, port: at.port, allowHalfOpen: false });
    cut.on("error", () => {}).end("POST / HTTP/1.1\r\nHost: main.example\r\nContent-Length: 9\r\n\r\nhalf");
    await new Promise((resolve) => cut.resume().once("close", resolve));
    const counted = (series: ReadonlyMap<string, string>): readonly string[] =>
      [...series.keys()].filter((name) => name.startsWith("requests{")).sort();
    const labels = (canary: string, ingress: string, method: string, service: string, status: number): string =>
      `requests{canary="${canary}",host="${ingress}.example",ingress="${ingress}",method="${method}",namespace="default",path="/",service="${service}",status="${status}"}`;
    t.strictSame(
      counted(await scrape(world)),
      [
        labels("default-next-80", "main", "GET", "web", 200),
        labels("", "main", "GET", "web", 101),
        labels("", "main", "POST", "web", 400),
        labels("", "pages", "GET", "web", 200),
        labels("", "calls", "GET", "calls", 200),
      ].sort(),
    );
  },
);

await t.test("flags: hosts, undefined hosts, classes of status, exclusion", async (t) => {
  const rows: readonly (readonly [flags: readonly string[], names: readonly string[]])[] = [
    [[], ["web.example 200", "web.example 404"]],
    [["--metrics-per-undefined-host=true"], ["other.example 404", "web.example 200", "web.example 404"]],
    [["--report-status-classes=true"], ["web.example 2xx", "web.example 4xx"]],
    [["--metrics-per-host=false"], [" 200", " 404", " 404"]],
    [["--exclude-socket-metrics=nginx_ingress_controller_requests"], []],
  ];
  for (const [flags, names] of rows) {
    await using world = await harness.start({ flags });
    await world.service("web");
    await addIngress(world, ingress("web", "web.example", "web", {}, "/shop"));
    for (const [host, path] of [
      ["web.example", "/shop"],
      ["web.example", "/"],
      ["other.example", "/"],
    ] as const)
      await ask(world.socket(80), { host, path });
    const counted = [...(await scrape(world)).keys()].filter((name) => name.startsWith("requests{"));
    const shown = counted.map((name) => `${/host="([^"]*)"/.exec(name)?.[1] ?? ""} ${/status="(\w+)"/.exec(name)?.[1]}`);
    t.strictSame(shown.sort(), names, flags.join(" "));
    if (names.length === 0) t.ok([...(await scrape(world)).keys()].some((name) => name.startsWith("request_size")));
  }
});

await t.test("flags: bounds of the histograms", async (t) => {
  await using world = await harness.start({ flags: ["--time-buckets=0.5,60", "--length-buckets=100", "--size-buckets=7,1"] });
  await world.service("web");
  await addIngress(world, ingress("web", "web.example", "web"));
  await ask(world.socket(80), { host: "web.example" });
  const names = [...(await scrape(world)).keys()];
  const bounds = (name: string): readonly (string | undefined)[] =>
    names.filter((each) => each.startsWith(`${name}_bucket`)).map((each) => /le="([^"]*)"/.exec(each)?.[1]);
  for (const name of ["request", "response", "header", "connect"])
    t.strictSame(bounds(`${name}_duration_seconds`), ["0.5", "60", "+Inf"], name);
  for (const name of ["request_size", "response_size"]) t.strictSame(bounds(name), ["100", "+Inf"], name);
  t.equal(bounds("bytes_sent").length, 8, "bounds that do not rise are none");
});

await t.test("the leader tells when certificates expire, and its election's name", async (t) => {
  const told = async (...flags: string[]): Promise<readonly (string | undefined)[]> => {
    await using world = await harness.start({ flags });
    const names = [...(await scrape(world)).keys()].map(
      (name) => /^(?:leader_election_status.*|ssl_expire|ssl_certificate)/.exec(name)?.[0],
    );
    return names.filter((name) => name !== undefined).sort();
  };
  t.strictSame(await told("--election-id=mine"), ['leader_election_status{name="mine"}', "ssl_certificate", "ssl_expire"]);
  t.strictSame(await told("--disable-leader-election"), ["ssl_certificate"]);
});

await t.test("of the controller: configuration, certificates, orphans, connections", async (t) => {
  await using world = await harness.start();
  await world.service("web");
  await world.service("empty", { replicas: 0 });
  const { key, cert } = pair("secure.example", "server");
  const data = { "tls.crt": Buffer.from(cert).toString("base64"), "tls.key": Buffer.from(key).toString("base64") };
  await world.create(Secrets, { apiVersion: "v1", kind: "Secret", metadata: { namespace: "default", name: "pair" }, data });
  const before = await scrape(world);
  t.equal(before.get("success{}"), "1");
  const secured = ingress("secure", "secure.example", "web");
  const lacking = ingress("lacking", "lacking.example", "web");
  await addIngress(
    world,
    { ...secured, spec: { ...secured.spec, tls: [{ hosts: ["secure.example"], secretName: "pair" }] } },
    { ...lacking, spec: { ...lacking.spec, tls: [{ hosts: ["lacking.example"], secretName: "absent" }] } },
    ingress("empty", "empty.example", "empty"),
    ingress("nowhere", "nowhere.example", "absent"),
  );
  const series = await scrape(world);
  const of = (name: string): readonly string[] => [...series.keys()].filter((found) => found.startsWith(`${name}{`)).sort();
  t.equal(series.get('build_info{release="v1.15.1"}'), "1");
  t.equal(series.get("config_last_reload_successful{}"), "1");
  t.ok(Number(series.get("config_last_reload_successful_timestamp_seconds{}")) > 1.7e9);
  t.not(series.get("config_hash{}"), before.get("config_hash{}"));
  t.ok(Number(series.get("success{}")) > 1);
  t.equal(series.get('leader_election_status{name="ingress-nginx-leader"}'), "1");
  const orphans = of("orphan_ingress").map(
    (name) => `${/ingress="(\w+)"/.exec(name)?.[1]} ${/type="([\w-]+)"/.exec(name)?.[1]} ${series.get(name)}`,
  );
  t.strictSame(orphans, [
    "empty no-endpoint 1",
    "empty no-service 0",
    "lacking no-endpoint 0",
    "lacking no-service 0",
    "nowhere no-service 1",
    "secure no-endpoint 0",
    "secure no-service 0",
  ]);
  const hosts = of("ssl_certificate_info").map((name) =>
    ["host", "secret_name", "issuer_common_name", "public_key_algorithm"]
      .map((label) => new RegExp(`${label}="([^"]*)"`).exec(name)?.[1])
      .join(" "),
  );
  t.match(hosts, [
    /^_ default-fake-certificate Kubernetes Ingress Controller Fake Certificate (ECDSA|RSA)$/,
    /^lacking\.example default-fake-certificate Kubernetes/,
    /^secure\.example pair test-ca (ECDSA|RSA)$/,
  ]);
  const expiry = of("ssl_expire_time_seconds").find((name) => name.includes('host="secure.example"')) ?? "";
  t.ok(Math.abs(Number(series.get(expiry)) - Date.now() / 1000 - 30 * 86_400) < 172_800);

  const at = world.socket(80);
  const socket = connect(at.port, at.ip);
  await new Promise((resolve) => socket.once("connect", resolve));
  const active = async (): Promise<string | undefined> => (await scrape(world)).get('nginx_process_connections{state="waiting"}');
  while ((await active()) !== "1") await new Promise((resolve) => setImmediate(resolve));
  const connections = await scrape(world);
  t.equal(connections.get('nginx_process_connections{state="active"}'), "1");
  t.equal(connections.get('nginx_process_connections_total{state="accepted"}'), "1");
  t.equal(connections.get("nginx_process_requests_total{}"), "0");
  socket.destroy();
  let open = "1";
  while (open !== "0") open = (await active()) ?? "";
  await until(() => socket.destroyed);
});
