import t from "tap";
import { createTcpServer } from "../../../netsim/tcp-server.ts";
import { VirtualClock } from "../../../model/clock.ts";
import { fakeContainer, FakeNetwork, type FakeContainer, type FakeOptions } from "../../support/fake-container.ts";
import { until } from "../../support/until.ts";
import { findImage, programsOf } from "../../../workloads/images/index.ts";

const image = findImage("registry.k8s.io/e2e-test-images/agnhost:2.52");
const programs = programsOf(image);

function start(
  network: FakeNetwork,
  ip: string,
  args: readonly string[],
  options: FakeOptions = {},
): { container: FakeContainer; exit: Promise<number> } {
  if (image?.runtime !== "inline") throw new Error("no agnhost");
  const container = fakeContainer({ network, ip, name: `pod-${ip.split(".").at(-1) ?? ""}`, ...options, argv: ["/agnhost", ...args] });
  const exit = image.program(container.context);
  t.teardown(() => (container.terminate(), exit));
  return { container, exit };
}

async function listening(network: FakeNetwork, ip: string, port: number): Promise<void> {
  while (!network.listens({ ip, port })) await new Promise((resolve) => setImmediate(resolve));
}

const SERVER = "127.244.1.20";
const rows: readonly (readonly [string, string | RegExp])[] = [
  [`http://${SERVER}:8080/hostname`, "pod-20"],
  [`http://${SERVER}:8080/hostName`, "pod-20"],
  [`http://${SERVER}:8080/`, /^NOW: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC$/],
  [`http://${SERVER}:8080/clientip`, /^127\.244\.1\.5:\d+$/],
  [`-w %{http_code} http://${SERVER}:8080/echo?msg=hi&code=418`, "hi418"],
  [`-H X-A:b http://${SERVER}:8080/header?key=x-a`, "b"],
  [
    `-w %{http_code}_%{redirect_url} -o /dev/null http://${SERVER}:8080/redirect?location=/hostname&code=307`,
    `307_http://${SERVER}:8080/hostname`,
  ],
  [`-w %{http_code} http://${SERVER}:8080/healthz`, "200"],
  [`http://${SERVER}:8080/readyz`, "ok"],
  [`http://${SERVER}:8080/shell?cmd=echo+out;exit+3`, '{"output":"out\\n","error":"exit status 3"}'],
  [`http://${SERVER}:8080/dial?host=${SERVER}&port=8080&request=hostname&tries=2`, '{"responses":["pod-20","pod-20"]}'],
  [`http://${SERVER}:8080/dial?host=${SERVER}&port=8081&request=echo+HeLLo&protocol=udp`, '{"responses":["hello"]}'],
  [
    `http://${SERVER}:8080/dial?host=${SERVER}&port=9&request=hostname`,
    `{"errors":["Get \\"http://${SERVER}:9/hostname\\": dial tcp ${SERVER}:9: connect: connection refused"]}`,
  ],
  [
    `http://${SERVER}:8080/dial?host=nope&port=9&request=hostname`,
    `{"errors":["Get \\"http://nope:9/hostname\\": dial tcp: lookup nope: no such host"]}`,
  ],
  [`-w %{http_code} http://${SERVER}:8080/dial?host=a`, "port parameter is required: ''\n400"],
];

t.test("netexec", async (t) => {
  const network = new FakeNetwork();
  const { exit } = start(network, SERVER, ["netexec"]);
  await listening(network, SERVER, 8080);
  const client = fakeContainer({ network });
  for (const [args, expected] of rows) {
    const { out } = await client.run(["curl", "-s", ...args.split(" ")]);
    if (typeof expected === "string") t.equal(out, expected, args);
    else t.match(out, expected, args);
  }
  await client.run(["curl", "-s", `http://${SERVER}:8080/exit?code=7`]);
  t.equal(await exit, 7, "/exit ends the program with the code");
});

t.test("netexec without UDP is never healthy", async (t) => {
  const network = new FakeNetwork();
  start(network, SERVER, ["netexec", "--http-port=80", "--udp-port", "-1"]);
  await listening(network, SERVER, 80);
  t.equal((await fakeContainer({ network }).run(["curl", "-s", "-w", "%{http_code}", `http://${SERVER}/healthz`])).out, "412");
});

t.test("netexec stays up for --delay-shutdown", async (t) => {
  const network = new FakeNetwork();
  const clock = new VirtualClock();
  const { container, exit } = start(network, SERVER, ["netexec", "--delay-shutdown=1"], { clock });
  await listening(network, SERVER, 8080);
  container.terminate();
  await until(() => clock.nextDueMs() !== undefined, "it waits");
  await clock.advance(999);
  t.equal((await fakeContainer({ network }).run(["curl", "-s", `http://${SERVER}:8080/readyz`])).out, "shutting down");
  await clock.advance(1);
  t.equal(await exit, 0);
  t.notOk(network.listens({ ip: SERVER, port: 8080 }));
});

t.test("serve-hostname, porter, test-webserver", async (t) => {
  const network = new FakeNetwork();
  start(network, "127.244.1.21", ["serve-hostname"]);
  start(network, "127.244.1.22", ["serve-hostname", "--http=false", "--tcp", "--udp"]);
  start(network, "127.244.1.23", ["porter"], { env: { SERVE_PORT_80: "eighty", SERVE_PORT_160: "more", SERVE_TLS_PORT_443: "secret" } });
  start(network, "127.244.1.24", ["test-webserver"], { files: { "/results/a_udp@x": "OK\n" } });
  start(network, "127.244.1.25", ["tcp-reset", "--port=80"]);
  for (const [ip, port] of [
    ["127.244.1.21", 9376],
    ["127.244.1.22", 9376],
    ["127.244.1.23", 160],
    ["127.244.1.24", 80],
    ["127.244.1.25", 80],
  ] as const)
    await listening(network, ip, port);
  const client = fakeContainer({ network });
  t.equal((await client.sh("curl -s 127.244.1.21:9376")).out, "pod-21");
  t.equal((await client.sh("nc 127.244.1.22 9376 </dev/null; echo | nc -u -w 1 127.244.1.22 9376")).out, "pod-22\npod-22\n");
  t.equal((await client.sh("curl -s 127.244.1.23; curl -s 127.244.1.23:160; curl -sk https://127.244.1.23")).out, "eightymoresecret");
  t.equal(
    (await client.sh("curl -s 127.244.1.24/results/a_udp@x; curl -s -o /dev/null -w '%{http_code}' 127.244.1.24/results/none")).out,
    "OK\n404",
  );
  t.match(await client.sh("curl -sS 127.244.1.25"), { code: 56, err: "curl: (56) Recv failure: Connection reset by peer\n" });
});

t.test("connect", async (t) => {
  const network = new FakeNetwork();
  network.listen(
    { ip: "127.244.1.30", port: 80 },
    createTcpServer((socket) => socket.resume()),
  );
  network.silent.add("127.244.9.9");
  const rows: readonly (readonly [string, number, string])[] = [
    ["127.244.1.30:80", 0, ""],
    ["127.244.1.30:81", 1, "REFUSED\n"],
    ["127.244.9.9:80 --timeout=100ms", 1, "TIMEOUT\n"],
    ["nope:80", 1, "DNS: lookup nope: no such host\n"],
    ["nonsense", 1, "OTHER: address nonsense: missing port in address\n"],
    ["127.244.1.30:80 --timeout=x", 1, 'Error: invalid argument "x" for "--timeout" flag: time: invalid duration "x"\n'],
  ];
  for (const [args, code, err] of rows)
    t.match(
      await fakeContainer({ network }).run(["/agnhost", "connect", ...args.split(" ")], undefined, programs),
      { code, err, out: "" },
      args,
    );
});

t.test("printers and refusals", async (t) => {
  const run = (...args: string[]) => fakeContainer().run(["/agnhost", ...args], undefined, programs);
  t.equal((await run("dns-suffix")).out, "default.svc.cluster.local,svc.cluster.local,cluster.local\n");
  t.equal((await run("dns-server-list")).out, "127.96.0.10\n");
  t.match((await run("etc-hosts")).out, /localhost/);
  t.match(await run("nonsense"), { code: 1, err: 'Error: unknown command "nonsense" for "app"\nRun \'app --help\' for usage.\n' });
  t.match(await run("netexec", "--nope"), { code: 1, err: "Error: unknown flag: --nope\n" });
  t.equal((await run("constructor")).code, 1);
});

t.test("liveness is healthy for ten seconds; logs-generator and pause", async (t) => {
  const clock = new VirtualClock();
  const network = new FakeNetwork();
  start(network, SERVER, ["liveness"], { clock });
  await listening(network, SERVER, 8080);
  const client = fakeContainer({ network });
  const status = async (): Promise<string> =>
    (await client.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", `http://${SERVER}:8080/healthz`])).out;
  t.equal(await status(), "200");
  await clock.advance(10_001);
  t.equal(await status(), "500");
  const logs = start(network, "127.244.1.40", ["logs-generator", "-t", "3", "-d", "30ms"]);
  t.equal(await logs.exit, 0);
  t.equal(logs.container.log.text.split("\n").length, 4);
  const paused = start(network, "127.244.1.41", ["pause"]);
  paused.container.terminate();
  t.equal(await paused.exit, 0);
});

t.test("guestbook: a replica follows its primary, and the front end uses both", async (t) => {
  const network = new FakeNetwork();
  network.addName("agnhost-primary.default.svc.cluster.local", "127.244.1.50");
  network.addName("agnhost-replica.default.svc.cluster.local", "127.244.1.51");
  const options = ["--http-port", "6379"];
  const primary = start(network, "127.244.1.50", ["guestbook", ...options]);
  await listening(network, "127.244.1.50", 6379);
  start(network, "127.244.1.51", ["guestbook", "--replicaof", "agnhost-primary", ...options]);
  start(network, "127.244.1.52", ["guestbook", "--backend-port", "6379"]);
  await listening(network, "127.244.1.52", 80);
  await primary.container.log.until(/Registering/);
  const { out } = await fakeContainer({ network }).sh(
    "curl -s '127.244.1.52/guestbook?cmd=set&key=messages&value=Entry'; curl -s '127.244.1.52/guestbook?cmd=get&key=messages'",
  );
  t.equal(out, '{"message":"Updated"}{"data":"Entry"}');
});
