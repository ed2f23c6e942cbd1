// HAProxy in front of the controller: the bytes that it writes for `send-proxy` and its versions, and the client that pods are told of.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { parseProxyHeader } from "../../ingress/proxy-protocol.ts";
import { ConfigMaps } from "../../model/resources.ts";
import type { SocketAddress } from "../../model/ports.ts";
import { missingPrograms } from "../support/command.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, raw } from "./raw.ts";

/** The client's address, to tell it from everyone else's. */
const CLIENT = "127.0.0.77";

/** haproxy options of each listener, and what its header looks like; the client is `CLIENT`, the destination the listener. */
const WAYS: readonly (readonly [options: string, header: RegExp])[] = [
  ["send-proxy", /^50524f585920/],
  ["send-proxy-v2", /^0d0a0d0a000d0a515549540a2111/],
  ["send-proxy-v2 proxy-v2-options unique-id,crc32c", /^0d0a0d0a000d0a515549540a2111/],
  ["send-proxy-v2-ssl", /^0d0a0d0a000d0a515549540a2111/],
];

interface Target {
  readonly options: string;
  readonly to: SocketAddress;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** One listener for each target, in a process that ends with the test; answers their ports. */
async function haproxy(test: { teardown(callback: () => Promise<void>): void }, targets: readonly Target[]): Promise<readonly number[]> {
  const folder = mkdtempSync(join(tmpdir(), "loopkube-haproxy-"));
  const ports: number[] = [];
  for (const _ of targets) ports.push(await freePort());
  const sections = targets.map(
    ({ options, to }, i) =>
      `listen l${i}\n  bind 127.0.0.1:${ports[i]}\n  unique-id-format %ci\n  server s ${to.ip}:${to.port} ${options}\n`,
  );
  const times = ["connect", "client", "server"].map((name) => `  timeout ${name} 5s\n`).join("");
  writeFileSync(join(folder, "haproxy.cfg"), `global\n  maxconn 100\ndefaults\n  mode tcp\n${times}${sections.join("")}`);
  const child = spawn("haproxy", ["-f", join(folder, "haproxy.cfg"), "-db"], { stdio: "ignore" });
  const exited = once(child, "exit");
  test.teardown(async () => {
    child.kill("SIGKILL");
    await exited;
    rmSync(folder, { recursive: true, force: true });
  });
  for (const port of ports) while (!(await answers(port))) await new Promise((resolve) => setImmediate(resolve));
  return ports;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("connect", () => (socket.destroy(), resolve(true))).on("error", () => resolve(false));
  });
}

/** Sends from `CLIENT`, and reads until the other end closes. */
function sendAsClient(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, localAddress: CLIENT }, () => socket.write(text));
    let answer = "";
    socket.on("data", (chunk) => (answer += chunk.toString()));
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}

t.test("HAProxy", { skip: missingPrograms("haproxy") }, async (t) => {
  await t.test("the headers that it writes are read", async (t) => {
    const got: Buffer[] = [];
    const server: Server = createServer((socket) => {
      let bytes: Buffer = Buffer.alloc(0);
      socket.on("error", () => {});
      socket.on("data", (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
        if (!bytes.includes("the end")) return;
        got.push(bytes);
        socket.end();
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    t.teardown(() => void server.close());
    const to = { ip: "127.0.0.1", port: (server.address() as AddressInfo).port };
    const ports = await haproxy(
      t,
      WAYS.map(([options]) => ({ options, to })),
    );
    for (const [i, [options, start]] of WAYS.entries()) {
      await sendAsClient(ports[i] ?? 0, "the end");
      const bytes = got.at(-1) ?? Buffer.alloc(0);
      t.match(bytes.toString("hex"), start, options);
      const header = parseProxyHeader(bytes);
      if (header.type !== "header") return t.fail(header.type);
      t.match(header.connection, { sourceIp: CLIENT, destinationIp: "127.0.0.1", destinationPort: ports[i] }, options);
      t.equal(bytes.subarray(header.size).toString(), "the end", `${options}: what follows is left`);
    }
  });

  await t.test("pods are told the client's address over HTTP, HTTPS and TCP", async (t) => {
    const harness = await createHarness(t);
    await using world = await harness.start({
      flags: ["--tcp-services-configmap=ingress-nginx/tcp-services"],
      config: { "use-proxy-protocol": "true", "enable-real-ip": "true" },
    });
    await world.service("echo");
    await world.service("first-line", { server: () => createServer((socket) => void socket.on("error", () => {}).pipe(socket)) });
    await addIngress(world, ingress("echo", "echo.example", "echo"));
    const data = { 9000: "default/first-line:80:PROXY:PROXY" };
    await world.create(ConfigMaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: "ingress-nginx", name: "tcp-services" },
      data,
    });
    await world.settle();
    const targets = WAYS.flatMap(([options]) => [80, 443, 9000].map((port) => ({ options, to: world.socket(port) })));
    const ports = await haproxy(t, [...targets, { options: "", to: world.socket(80) }]);
    for (const [i, [options]] of WAYS.entries()) {
      const [http = 0, https = 0, tcp = 0] = ports.slice(3 * i);
      const answer = await sendAsClient(http, "GET / HTTP/1.1\r\nHost: echo.example\r\nConnection: close\r\n\r\n");
      t.match(answer, `"x-forwarded-for":"${CLIENT}"`, `${options}: HTTP`);
      t.match(answer, `"x-forwarded-port":"${http}"`, `${options}: the port it was sent to`);
      const secure = await ask({ ip: "127.0.0.1", port: https }, { scheme: "https", host: "echo.example", sni: "echo.example" });
      t.match(
        JSON.parse(secure.body.toString()).headers,
        { "x-forwarded-for": "127.0.0.1", "x-forwarded-port": String(https) },
        `${options}: HTTPS`,
      );
      t.match(
        await raw({ ip: "127.0.0.1", port: tcp }, "hello", /hello/),
        /^PROXY TCP4 127\.0\.0\.1 [\d.]+ \d+ 9000\r\nhello$/,
        `${options}: TCP`,
      );
    }
    t.equal(
      await sendAsClient(ports.at(-1) ?? 0, "GET / HTTP/1.1\r\nHost: echo.example\r\n\r\n"),
      "",
      "without send-proxy nobody is served",
    );
  });
});
