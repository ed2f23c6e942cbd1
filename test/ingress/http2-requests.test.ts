// Clients on HTTP/2: bodies that end early or late, streams that are reset, answers that break off; to pods of HTTP/1.1 and of gRPC.
// What nginx 1.27.1 does was looked at for each.
import { connect, createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { createServer, type Server } from "node:net";
import { connect as connectTls } from "node:tls";
import t from "tap";
import { createHarness } from "./harness.ts";
import { type Fields, frame, headersFrame, PREFACE } from "./http2-frames.ts";
import { addIngress, ingress, until } from "./raw.ts";
import { WIRE_LOG, wireLog, wirePod, wireText } from "./wire.ts";

const harness = await createHarness(t);
await using world = await harness.start({ config: { "log-format-upstream": WIRE_LOG } });

interface Told {
  status?: number;
  headers: Readonly<Record<string, unknown>>;
  trailers?: Readonly<Record<string, unknown>>;
  body: string;
  /** Code of the reset, 0 when there was none. */
  rst: number;
  continued: boolean;
}

interface Asking {
  readonly host: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** Pieces of a body; undefined is none. */
  readonly sends?: readonly string[];
  /** Before the last piece, before the end, or before a reset or the connection's end. Node's client ends a body before it resets. */
  readonly before?: {
    readonly piece?: () => boolean;
    readonly end?: () => boolean;
    readonly reset?: () => boolean;
    readonly destroy?: () => boolean;
  };
}

async function askHttp2({ host, headers = {}, sends, before = {} }: Asking): Promise<Told> {
  const at = world.socket(443);
  const session = connect(`https://${at.ip}:${at.port}`, { rejectUnauthorized: false });
  session.on("error", () => {});
  const named = host === "" ? {} : { ":authority": host };
  const stream = session.request({ ":method": sends ? "POST" : "GET", ...named, "x-request-id": "r", ...headers }, { endStream: !sends });
  const told: Told = { headers: {}, body: "", rst: 0, continued: false };
  stream.on("error", () => {});
  stream.on("headers", () => (told.continued = true));
  stream.on("response", (head) => Object.assign(told, { status: head[":status"], headers: head }));
  stream.on("trailers", (lines) => (told.trailers = { ...lines }));
  stream.on("data", (chunk: Buffer) => (told.body += chunk.toString("latin1")));
  const closed = new Promise<void>((resolve) => stream.once("close", resolve));
  for (const [i, piece] of (sends ?? []).entries()) {
    if (i > 0 && before.piece) await until(before.piece);
    await new Promise((resolve) => stream.write(piece, resolve));
  }
  if (before.reset) {
    await until(before.reset);
    stream.close(8);
  } else if (before.destroy) {
    await until(before.destroy);
    session.destroy();
  } else if (sends) {
    if (before.end) await until(before.end);
    stream.end();
  }
  await closed;
  told.rst = stream.rstCode ?? 0;
  session.destroy();
  return told;
}

let made = 0;
/** A host of its own with one pod of HTTP/1.1; what it got. */
async function plain(answers?: readonly string[], annotations: Readonly<Record<string, string>> = {}): Promise<[string, string[]]> {
  const name = `plain-${made++}`;
  const got: string[] = [];
  await world.service(name, { server: () => wirePod(answers, got) });
  await addIngress(world, ingress(name, `${name}.example`, name, annotations));
  return [`${name}.example`, got];
}

interface Call {
  readonly headers: Readonly<Record<string, unknown>>;
  bytes: number;
  /** The request has ended. */
  ended: boolean;
  /** Code of the reset that came from the controller. */
  rst: number | undefined;
}
/** A host of its own with a gRPC pod. */
async function grpc(
  answer: (stream: ServerHttp2Stream) => void,
  annotations: Readonly<Record<string, string>> = {},
): Promise<[string, Call[]]> {
  const name = `grpc-${made++}`;
  const calls: Call[] = [];
  await world.service(name, {
    server: () =>
      createHttp2Server()
        .on("session", (session) => session.on("error", () => {}))
        .on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
          const call: Call = { headers, bytes: 0, ended: false, rst: undefined };
          calls.push(call);
          stream.on("error", () => {});
          stream.on("data", (chunk: Buffer) => (call.bytes += chunk.length));
          stream.on("end", () => (call.ended = true));
          stream.on("close", () => (call.rst = stream.rstCode));
          answer(stream);
        }) as unknown as Server,
  });
  await addIngress(world, ingress(name, `${name}.example`, name, { "backend-protocol": "GRPC", ...annotations }));
  return [`${name}.example`, calls];
}

const GRPC = { "content-type": "application/grpc", te: "trailers" };
const UNBUFFERED = { "proxy-request-buffering": "off" };
const head = { ":status": 200, "content-type": "application/grpc" };
const lastLog = async (count: number): Promise<string | undefined> => {
  const lines = (): readonly string[] => wireLog(world.log.join(""));
  await until(() => lines().length >= count);
  return lines().at(-1);
};
const logged = (): number => wireLog(world.log.join("")).length;

await t.test("Host and :authority: one of them names the host, both are refused", async (t) => {
  const [host, got] = await plain();
  t.equal((await askHttp2({ host })).status, 200);
  t.equal((await askHttp2({ host: "", headers: { host } })).status, 200);
  t.equal((await askHttp2({ host, headers: { host } })).status, 400);
  t.equal((await askHttp2({ host: "" })).status, 404, "the catch-all server");
  t.match(got.map(wireText), [`host: ${host}`, `host: ${host}`]);
});

await t.test("crumbs of cookies are one line, repeated lines are several", async (t) => {
  const [host, got] = await plain();
  await askHttp2({ host, headers: { cookie: ["a=1", "b=2"], "x-a": ["1", "2"] } });
  t.match(wireText(got[0] ?? ""), /cookie: a=1; b=2\n[^]*x-a: 1(?:\nx-a: |, )2/);
});

await t.test("Expect: 100-continue is told to nobody over HTTP/2", async (t) => {
  const [host, got] = await plain();
  t.match(await askHttp2({ host, headers: { expect: "100-continue" }, sends: ["hello"] }), { status: 200, continued: false });
  t.notMatch(got[0], /expect/i);
});

await t.test("bodies without a length: counted, or in chunks, or too large", async (t) => {
  const [host, got] = await plain();
  await askHttp2({ host, sends: ["hel", "lo"] });
  t.match(got[0], /content-length: 5\r\n(?:.+\r\n)*\r\nhello$/i);
  const [chunked, parts] = await plain(undefined, UNBUFFERED);
  let turns = 0;
  await askHttp2({ host: chunked, sends: ["hel", "lo"], before: { piece: () => ++turns > 20 } });
  t.match(parts[0], /transfer-encoding: chunked\r\n[^]*3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n$/i);
  const [small, none] = await plain(undefined, { "proxy-body-size": "3" });
  t.match(await askHttp2({ host: small, sends: ["hel", "lo"] }), { status: 413, rst: 0 });
  t.equal(none.length, 0);
});

await t.test("a denied request is answered before its body is there", async (t) => {
  const [host] = await plain(undefined, { "denylist-source-range": "127.0.0.0/8" });
  let turns = 0;
  t.equal((await askHttp2({ host, sends: ["he", "llo"], before: { piece: () => ++turns > 20 } })).status, 403);
});

await t.test("a body that breaks off: the pod does not take it for the whole", async (t) => {
  const [host, got] = await plain(undefined, UNBUFFERED);
  let turns = 0;
  await askHttp2({ host, sends: ["he"], before: { destroy: () => ++turns > 50 } });
  const [buffered, none] = await plain();
  turns = 0;
  await askHttp2({ host: buffered, sends: ["he"], before: { destroy: () => ++turns > 50 } });
  t.equal((await askHttp2({ host: buffered })).status, 200);
  t.equal(got.length, 0);
  t.match(none.map(wireText), [/^GET /]);
  t.equal(none.length, 1);
});

await t.test("a stream that is reset within its body breaks off at the pod", async (t) => {
  let text = "";
  let closed = false;
  await world.service("half", {
    server: () =>
      createServer((socket) => {
        socket.on("error", () => {}).on("data", (chunk) => (text += chunk.toString("latin1")));
        socket.once("close", () => (closed = true));
      }),
  });
  await addIngress(world, ingress("half", "half.example", "half", UNBUFFERED));
  const at = world.socket(443);
  const socket = connectTls({ host: at.ip, port: at.port, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  socket.on("error", () => {}).resume();
  const fields: Fields = [[":method", "POST"], [":scheme", "https"], [":path", "/"], [":authority", "half.example"]]; // prettier-ignore
  socket.write(Buffer.concat([PREFACE, headersFrame(1, fields, false), frame(0, 0, 1, Buffer.from("he"))]));
  await until(() => text.endsWith("2\r\nhe\r\n"));
  socket.write(frame(3, 0, 1, Buffer.from([0, 0, 0, 8])));
  await until(() => closed);
  t.match(text, /\r\n\r\n2\r\nhe\r\n$/, "no last chunk");
  socket.destroy();
});

await t.test("a reset while a pod works is 499, and gives the pod's request up", async (t) => {
  const name = "working";
  let closed = 0;
  const got: string[] = [];
  await world.service(name, { server: () => wirePod([""], got).on("connection", (socket) => socket.once("close", () => closed++)) });
  await addIngress(world, ingress(name, "working.example", name));
  const before = logged();
  await askHttp2({ host: "working.example", before: { reset: () => got.length === 1 } });
  await until(() => closed === 1);
  t.equal(await lastLog(before + 1), '"GET / HTTP/2.0" 499 0 POD 0 -');
});

await t.test("a connection that breaks gives the pod's request up too", async (t) => {
  let closed = 0;
  const got: string[] = [];
  await world.service("broken", { server: () => wirePod([""], got).on("connection", (socket) => socket.once("close", () => closed++)) });
  await addIngress(world, ingress("broken", "broken.example", "broken"));
  const at = world.socket(443);
  const session = connect(`https://${at.ip}:${at.port}`, { rejectUnauthorized: false });
  session.on("error", () => {});
  session.request({ ":authority": "broken.example" }).on("error", () => {});
  await until(() => got.length === 1);
  session.destroy();
  await until(() => closed === 1);
  t.pass("closed");
});

await t.test("an answer that breaks off is a reset, not an end", async (t) => {
  for (const answer of [
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nokEND",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nokEND",
  ]) {
    const [host] = await plain([answer]);
    t.match(await askHttp2({ host }), { status: 200, body: "ok", rst: 2 });
  }
});

await t.test("answers: no body, no connection lines, no trailers of HTTP/1.1", async (t) => {
  const rows: readonly (readonly [answer: string, told: object])[] = [
    ["HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", { status: 204, body: "", rst: 0 }],
    ['HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n', { status: 304, headers: { etag: '"x"' } }],
    ["HTTP/1.1 200 OK\r\n\r\nokEND", { status: 200, body: "ok", rst: 0 }],
    ["HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok", { body: "ok", rst: 0 }],
    ["HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n", { body: "ok", headers: { trailer: "X-T" } }],
  ]; // prettier-ignore
  for (const [answer, expected] of rows) {
    const [host] = await plain([answer]);
    const told = await askHttp2({ host, headers: { te: "trailers" } });
    t.match(told, expected, answer);
    t.equal(told.trailers, undefined);
    for (const name of ["upgrade", "connection", "keep-alive"]) t.equal(told.headers[name], undefined, name);
  }
});

await t.test("gRPC: Host stays a header, TE is the client's, repeated lines and trailers pass", async (t) => {
  const [host, calls] = await grpc((stream) => {
    stream.resume();
    stream.respond({ ...head, "x-a": ["1", "2"], server: "pod" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": "fine" }));
    stream.end("hi");
  });
  const told = await askHttp2({ host, headers: { ...GRPC, "grpc-timeout": "1S", cookie: ["a=1", "b=2"] }, sends: ["12345"] });
  t.match(told, { status: 200, body: "hi", rst: 0, headers: { "x-a": "1, 2" }, trailers: { "grpc-status": "0", "grpc-message": "fine" } });
  t.notMatch(told.headers, { server: "pod" });
  t.match(calls[0]?.headers, { host, te: "trailers", "grpc-timeout": "1S", cookie: "a=1; b=2" });
  t.equal(calls[0]?.headers[":authority"], undefined);
  await askHttp2({ host });
  t.equal(calls[1]?.headers["te"], undefined);
});

await t.test("gRPC: an answer that is all trailers has no length but 0, and ends what the client still sends", async (t) => {
  const [host, calls] = await grpc((stream) => {
    stream.resume();
    stream.respond({ ...head, "grpc-status": "16" }, { endStream: true });
  });
  let headed = false;
  const told = askHttp2({ host, headers: GRPC, sends: ["12345"], before: { end: () => headed || calls[0]?.rst === 8 } });
  await until(() => calls[0]?.rst === 8);
  headed = true;
  t.match(await told, { status: 200, headers: { "grpc-status": "16", "content-length": "0" } });
  t.equal(calls[0]?.rst, 8);
});

await t.test("gRPC: a client that cancels is no client that has said all", async (t) => {
  const [host, calls] = await grpc((stream) => stream.respond(head));
  const told = await askHttp2({ host, headers: GRPC, sends: ["12345"], before: { reset: () => calls[0]?.bytes === 5 } });
  t.equal(told.rst, 8);
  await until(() => calls[0]?.rst !== undefined);
  t.equal(calls[0]?.rst, 8);
});

await t.test("gRPC: a pod that resets is 502; behind its head the stream ends", async (t) => {
  const [refusing] = await grpc((stream) => stream.close(2));
  t.match(await askHttp2({ host: refusing, headers: GRPC, sends: ["12345"] }), { status: 502 });
  const [breaking] = await grpc((stream) => {
    stream.respond(head);
    stream.write("hi", () => stream.close(2));
  });
  t.match(await askHttp2({ host: breaking, headers: GRPC, sends: ["12345"] }), { status: 200, body: "hi" });
});

await t.test("gRPC: proxy-body-size counts for streams, before and behind the pod's head", async (t) => {
  const small = { "proxy-body-size": "8" };
  const [silent, calls] = await grpc(() => {}, small);
  const asked = { headers: GRPC, sends: ["12345", "67890"] };
  t.match(await askHttp2({ host: silent, ...asked, before: { piece: () => calls[0]?.bytes === 5 } }), { status: 413 });
  await until(() => calls[0]?.rst !== undefined);
  t.equal(calls[0]?.rst, 8);
  const [headed, more] = await grpc((stream) => stream.respond(head), small);
  t.match(await askHttp2({ host: headed, ...asked, before: { piece: () => more[0]?.bytes === 5 } }), { rst: 2 });
});

await t.test("gRPC: denied, redirected, and statuses of the pod are answers of HTTP", async (t) => {
  const answer = (stream: ServerHttp2Stream): void => (
    stream.respond({ ":status": 404, "content-type": "text/plain" }),
    void stream.end("no")
  );
  const [host] = await grpc(answer);
  t.match(await askHttp2({ host, headers: GRPC, sends: ["12345"] }), { status: 404, body: "no" });
  const [denied] = await grpc(answer, { "denylist-source-range": "127.0.0.0/8" });
  t.match(await askHttp2({ host: denied, headers: GRPC, sends: ["12345"] }), { status: 403 });
  const [moved] = await grpc(answer, { "temporal-redirect": "http://x/" });
  t.match(await askHttp2({ host: moved, headers: GRPC, sends: ["12345"] }), { status: 302, headers: { location: "http://x/" } });
});
