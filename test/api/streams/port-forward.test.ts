import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import t, { type Test } from "tap";
import { examplePod, type Fixture, kubectls, ProcessStreams, startFixture } from "./kubectl-fixture.ts";

/** Listens on a free port and stops with the test. */
async function listen(t: Test, onSocket: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

/** Starts `kubectl port-forward` and resolves with its local port. */
async function forward(
  t: Test,
  api: Fixture,
  kubectl: string,
  port: number,
): Promise<{ child: ChildProcess; local: number; stderr: () => string }> {
  const child = spawn(kubectl, [...api.args, "port-forward", "pod/web", `:${port}`, "--address", "127.0.0.1"], { env: api.env });
  t.teardown(() => child.kill());
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const local = await new Promise<number>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const match = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(text);
      if (match) resolve(Number(match[1]));
    });
    child.once("close", () => reject(new Error(`kubectl ended: ${stderr}`)));
  });
  return { child, local, stderr: () => stderr };
}

/** Sends `request`, half-closes, and resolves with everything that comes back. */
function exchange(port: number, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(Buffer.from(chunk)));
    socket.on("error", reject);
    socket.on("end", () => resolve(Buffer.concat(chunks)));
    socket.end(request);
  });
}

if (kubectls.size === 0) t.test("port-forward with kubectl", { skip: "no kubectl.1.xx is installed beside kubectl" }, () => undefined);

for (const [version, kubectl] of kubectls) {
  const transport = version === "1.27" || version === "1.29" ? "POST SPDY/3.1" : "GET websocket";
  t.test(`kubectl ${version}: port-forward over ${transport}`, async (t) => {
    const api = await startFixture(examplePod("app"), new ProcessStreams());
    t.teardown(() => api.close());
    const echo = await listen(t, (socket) => socket.pipe(socket));
    const { local, stderr } = await forward(t, api, kubectl, echo);
    t.same(api.upgrades, [transport], "one upgrade, no fallback");

    const one = await exchange(local, Buffer.from("hello"));
    t.equal(one.toString(), "hello", "an answer that ends after the client's half-close");
    const messages = Array.from({ length: 8 }, (_, index) => Buffer.from(`message ${index} `.repeat(1000)));
    const answers = await Promise.all(messages.map((message) => exchange(local, message)));
    t.same(answers.map(String), messages.map(String), "eight connections at once");
    const megabyte = Buffer.alloc(1 << 20, "0123456789abcdef");
    t.ok((await exchange(local, megabyte)).equals(megabyte), "1 MB both ways");
    t.notMatch(stderr(), /error/i);
  });

  t.test(`kubectl ${version}: a port nobody listens on`, async (t) => {
    const api = await startFixture(examplePod("app"), new ProcessStreams());
    t.teardown(() => api.close());
    const { child, local, stderr } = await forward(t, api, kubectl, 1);
    const socket = connect(local, "127.0.0.1").on("error", () => undefined);
    await once(socket.resume(), "close");
    while (!stderr().includes("\n")) await once(child.stderr ?? child, "data");
    t.match(
      stderr(),
      /error forwarding port 1 to pod web, uid 7e0d: failed to connect to localhost:1 inside namespace .+web.+, IPv4: dial tcp4 127\.0\.0\.1:1: connect: connection refused/,
    );
  });

  t.test(`kubectl ${version}: going away closes the pod's side`, async (t) => {
    const api = await startFixture(examplePod("app"), new ProcessStreams());
    t.teardown(() => api.close());
    const accepted = Promise.withResolvers<Socket>();
    const port = await listen(t, accepted.resolve);
    const { child, local } = await forward(t, api, kubectl, port);
    const client = connect(local, "127.0.0.1").on("error", () => undefined);
    const inPod = await accepted.promise;
    child.kill("SIGKILL");
    await new Promise((resolve) => inPod.once("end", resolve).resume());
    client.destroy();
    inPod.destroy();
    t.pass("the pod's side was ended");
  });
}
