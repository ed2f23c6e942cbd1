import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import t, { type Test } from "tap";
import { WebSocket, WebSocketServer } from "ws";
import { WebSocketChannels } from "../../../api/streams/websocket-channels.ts";
import { VirtualClock } from "../../../model/clock.ts";
import { examplePod, type Fixture, ProcessStreams, startFixture } from "./kubectl-fixture.ts";

async function start(t: Test, streams = new ProcessStreams(), ...containers: readonly string[]): Promise<Fixture> {
  const api = await startFixture(examplePod(...(containers.length > 0 ? containers : ["app"])), streams);
  t.teardown(() => api.close());
  return api;
}

const POD = "/api/v1/namespaces/default/pods/web";

/** Opens a WebSocket, sends `messages`, and notes `channel text` per message until the server closes. */
async function talk(
  api: Fixture,
  path: string,
  protocols: readonly string[],
  messages: readonly (Buffer | string)[] = [],
): Promise<{ protocol: string; received: string[]; code: number }> {
  const socket = new WebSocket(`${api.url.replace("http", "ws")}${POD}/${path}`, [...protocols]);
  const received: string[] = [];
  socket.on("message", (message: Buffer, isBinary) => {
    received.push(isBinary ? `${message.readUInt8(0)} ${message.toString("utf8", 1)}` : `text ${message.toString()}`);
  });
  await once(socket, "open");
  for (const message of messages) socket.send(message);
  const [code] = await once(socket, "close");
  return { protocol: socket.protocol, received, code: Number(code) };
}

const channel = (id: number, text: string): Buffer => Buffer.concat([Buffer.of(id), Buffer.from(text)]);
const base64 = (text: string): string => Buffer.from(text).toString("base64");

t.test("each subprotocol of exec", async (t) => {
  const api = await start(t);
  const success = '{"metadata":{},"status":"Success"}';
  t.same(await talk(api, "exec?command=echo&command=hi&stdout=true", ["v5.channel.k8s.io", "v4.channel.k8s.io"]), {
    protocol: "v5.channel.k8s.io",
    received: ["1 ", "1 hi\n", `3 ${success}`],
    code: 1000,
  });
  t.same(await talk(api, "exec?command=cat&stdout=1&stdin=1", ["v5.channel.k8s.io"], [channel(0, "in"), Buffer.of(255, 0)]), {
    protocol: "v5.channel.k8s.io",
    received: ["1 ", "1 in", `3 ${success}`],
    code: 1000,
  });
  t.same((await talk(api, "exec?command=sh&command=-c&command=echo+x>%262;exit+7&stderr=true", ["v4.channel.k8s.io"])).received, [
    "2 ",
    "2 x\n",
    '3 {"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: error executing command [sh -c echo x>&2;exit 7], exit code 7",' +
      '"reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}',
  ]);
  t.same(await talk(api, "exec?command=head&command=-n1&stdout=true&stdin=true", ["v4.base64.channel.k8s.io"], [`0${base64("line\n")}`]), {
    protocol: "v4.base64.channel.k8s.io",
    received: ["text 1", `text 1${base64("line\n")}`, `text 3${base64(success)}`],
    code: 1000,
  });
  t.same(
    (await talk(api, "exec?command=echo&command=hi&stdout=true", ["channel.k8s.io"])).received,
    ["1 ", "1 hi\n"],
    "v1: success says nothing",
  );
  t.match((await talk(api, "exec?command=refuse&stdout=true", [])).received, ["1 ", "3 it does not want to"], "no protocol is v1");
});

t.test("the terminal's size", async (t) => {
  const api = await start(t);
  const { received } = await talk(
    api,
    "exec?command=size&stdout=true&stdin=true&tty=true",
    ["v5.channel.k8s.io"],
    [channel(4, '{"Width":80'), channel(4, ',"Height":24}\n')],
  );
  t.same(received.slice(0, 2), ["1 ", "1 80x24 tty=true\r\n"]);
});

t.test("garbage in a session", async (t) => {
  const api = await start(t);
  const noise = [Buffer.alloc(0), Buffer.of(9), Buffer.of(255), Buffer.of(255, 200), channel(4, "}{"), "\u00e9", channel(0, "ok\n")];
  const { received } = await talk(api, "exec?command=head&command=-n1&stdout=true&stdin=true", ["v5.channel.k8s.io"], noise);
  t.same(received.slice(0, 2), ["1 ", "1 ok\n"]);
  const huge = await talk(api, "exec?command=cat&stdout=true&stdin=true", ["v5.channel.k8s.io"], [Buffer.alloc(5 << 20)]);
  t.equal(huge.code, 1009, "a message beyond the bound");
});

/** Sends a raw request and resolves with status line and last line. */
async function raw(api: Fixture, path: string, headers: readonly string[]): Promise<string> {
  const socket = connect(api.port, "127.0.0.1");
  socket.write(["POST " + POD + path + " HTTP/1.1", "Host: x", ...headers, "", ""].join("\r\n"));
  let text = "";
  for await (const chunk of socket.setEncoding("utf8")) text += chunk;
  const lines = text.trim().split("\r\n");
  const body = lines.at(-1) ?? "";
  const message = /"message":"((?:[^"\\]|\\.)*)"/.exec(body)?.[1] ?? body;
  return `${lines[0]?.slice(9, 12)} ${message}`;
}

t.test("what is refused before the upgrade", async (t) => {
  const api = await start(t, new ProcessStreams(), "a", "b");
  const webSocket = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  const spdy = ["Connection: Upgrade", "Upgrade: SPDY/3.1"];
  const rows: readonly (readonly [string, readonly string[], string])[] = [
    ["/exec?command=x&stdout=true", spdy, "400 a container name must be specified for pod web, choose one of: [a b]"],
    ["/exec?command=x&stdout=true&container=c", spdy, "400 container c is not valid for pod web"],
    ["/exec?command=x&container=a", spdy, "400 you must specify at least 1 of stdin, stdout, stderr"],
    ["/attach?container=a&stdin=false", spdy, "400 you must specify at least 1 of stdin, stdout, stderr"],
    ["/exec?container=a&stdout=true", ["Connection: Upgrade", "Upgrade: h2c"], "400 Upgrade request required"],
    [
      "/exec?container=a&stdout=true",
      [...spdy, "X-Stream-Protocol-Version: v9.channel.k8s.io"],
      "403 unable to upgrade: unable to negotiate protocol: client supports [v9.channel.k8s.io], server accepts [v4.channel.k8s.io v3.channel.k8s.io v2.channel.k8s.io channel.k8s.io]",
    ],
    ["/portforward", [...webSocket.slice(0, 2)], "405 Invalid HTTP method"],
  ];
  for (const [path, headers, want] of rows) t.equal(await raw(api, path, headers), want, path);
});

t.test("a container that does not run", async (t) => {
  const pod = examplePod("app");
  const api = await startFixture({ ...pod, status: {} }, new ProcessStreams());
  t.teardown(() => api.close());
  t.equal(await raw(api, "/exec?command=x&stdout=true", ["Connection: Upgrade", "Upgrade: SPDY/3.1"]), '500 container not found ("app")');
});

t.test("a client that has only connected is given time to make its streams; one that has spoken is answered at once", async (t) => {
  const clock = new VirtualClock();
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  t.teardown(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const open = async (): Promise<{ client: WebSocket; heard: string[] }> => {
    const accepted = once(server, "connection");
    const client = new WebSocket(`ws://127.0.0.1:${port}`);
    t.teardown(() => client.terminate());
    const heard: string[] = [];
    client.on("message", (message: Buffer) => heard.push(message.toString("latin1", 1)));
    const [[webSocket]] = await Promise.all([accepted, once(client, "open")]);
    const channels = new WebSocketChannels(webSocket, clock);
    channels.writer(1).write("output");
    return { client, heard };
  };
  const [silent, speaking] = [await open(), await open()];
  speaking.client.send(channel(0, "x"));
  await once(speaking.client, "message");
  t.same(speaking.heard, ["output"]);
  await clock.advance(19);
  // What was sent before it would be here.
  const pong = once(silent.client, "pong");
  silent.client.ping();
  await pong;
  t.same(silent.heard, []);
  const message = once(silent.client, "message");
  await clock.advance(1);
  await message;
  t.same(silent.heard, ["output"]);
});
