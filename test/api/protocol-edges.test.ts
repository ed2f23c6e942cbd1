// What clients do that they should not, and loads that no client should cause: garbage, half requests, slow readers, many watchers.
import { connect, type Socket } from "node:net";
import t, { type Test } from "tap";
import { ConfigMaps } from "../../model/resources.ts";
import { createCa, issueCertificate } from "../../model/x509.ts";
import { startApi, TOKEN } from "./in-process-api.ts";

const configMap = (name: string, text = "") =>
  ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data: { text } }) as const;

/** What the server says to these bytes until it closes, or until `enough` matches. */
function tell(t: Test, port: number, bytes: string, enough = /(?!)/): Promise<string> {
  const socket = connect(port, "127.0.0.1", () => socket.write(bytes, "latin1"));
  t.teardown(() => socket.destroy());
  let text = "";
  return new Promise((resolve) => {
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (enough.test(text)) resolve(text);
    });
    socket.on("error", () => resolve(text));
    socket.on("close", () => resolve(text));
  });
}

function tls(): { readonly key: string; readonly cert: string; readonly ca: string } {
  const now = Date.now();
  const ca = createCa("kubernetes", now);
  const serving = issueCertificate(ca, { commonName: "kube-apiserver", ipAddresses: ["127.0.0.1"], usages: ["server"], days: 1, now });
  return { key: serving.key, cert: serving.cert, ca: ca.cert };
}

const REQUEST = `GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n`;

t.test("garbage gets 400 and the server lives", async (t) => {
  const { port, call } = await startApi(t);
  const rows: readonly (readonly [bytes: string, answer: RegExp])[] = [
    ["\x16\x03\x01\x02\x00\x01\x00", /^HTTP\/1\.1 400 /],
    ["NONSENSE\r\n\r\n", /^HTTP\/1\.1 400 /],
    [`${REQUEST}X: ${"y".repeat(1_100_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    [`${REQUEST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc`, /^HTTP\/1\.1 400 /],
    [
      `POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{"kind":1`,
      /^HTTP\/1\.1 400 /,
    ],
    [`PROPFIND /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n\r\n`, /^HTTP\/1\.1 405 /],
    [`GET //api//v1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n\r\n`, /^HTTP\/1\.1 [24]0\d /],
    [`GET /api/v1/%zz/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n\r\n`, /^HTTP\/1\.1 400 /],
    [`GET http://[ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n\r\n`, /^HTTP\/1\.1 [24]0\d /],
  ];
  for (const [bytes, answer] of rows) t.match(await tell(t, port, bytes), answer, JSON.stringify(bytes.slice(0, 60)));
  t.equal((await call("GET", "/healthz")).text, "ok");
});

t.test("a client that leaves in the middle of its request is forgotten", async (t) => {
  const { port, call, store } = await startApi(t);
  const head = `POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 5000\r\n\r\n{`;
  for (const bytes of ["G", "GET /api", REQUEST, head]) {
    await new Promise<void>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => socket.write(bytes, () => socket.destroy()));
      socket.on("close", () => resolve());
    });
  }
  t.equal((await call("GET", "/healthz")).text, "ok");
  t.strictSame(store.list(ConfigMaps), []);
});

t.test("long URLs are read up to the limit of the headers", async (t) => {
  const { call } = await startApi(t);
  const names = Array.from({ length: 2_000 }, (_, i) => `application-${i}`);
  const selector = encodeURIComponent(`app in (${names.join(",")})`);
  t.match(await call("GET", `/api/v1/pods?labelSelector=${selector}`), { status: 200, json: { kind: "PodList" } });
  t.match((await call("GET", `/api/v1/namespaces/default/pods/${"x".repeat(500_000)}`)).status, 404);
});

t.test("plain HTTP on the TLS port is told so", async (t) => {
  const { port } = await startApi(t, { tls: tls() });
  const words = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
  for (const request of ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /api HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n\r\n"]) {
    t.equal(await tell(t, port, request), words, request);
  }
  t.notMatch(await tell(t, port, "NONSENSE\r\n\r\n"), /HTTP/, "anything else is no TLS record either");
  const slow = connect(port, "127.0.0.1");
  t.teardown(() => slow.destroy());
  const answer = new Promise((resolve) => slow.on("data", (chunk) => resolve(String(chunk))));
  await new Promise<void>((resolve) => slow.write("GE", () => resolve()));
  slow.write("T /x HTTP/1.1\r\n\r\n");
  t.equal(await answer, words, "in two pieces");
});

t.test("10,000 objects in pages", async (t) => {
  const { store, call } = await startApi(t);
  const names = Array.from({ length: 10_000 }, (_, i) => `c-${String(i).padStart(5, "0")}`);
  for (const name of names) await store.create(ConfigMaps, configMap(name));
  const seen: string[] = [];
  let next = "";
  do {
    const { json } = await call("GET", `/api/v1/namespaces/default/configmaps?limit=500&continue=${next}`);
    const items = json["items"] as unknown as readonly { readonly metadata: { readonly name: string } }[];
    seen.push(...items.map(({ metadata }) => metadata.name));
    next = String(json["metadata"]?.["continue"] ?? "");
    // Written behind the reader's back: later pages are of the first page's revision.
    if (seen.length === 500) await store.delete(ConfigMaps, "default", "c-09999");
  } while (next !== "");
  t.strictSame(seen, names);
});

/** Opens a watch on a raw socket that does not read. */
async function deafWatch(t: Test, port: number, resourceVersion: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  t.teardown(() => socket.destroy());
  const target = `/api/v1/configmaps?watch=true&resourceVersion=${resourceVersion}`;
  await new Promise<void>((resolve) =>
    socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`, () => resolve()),
  );
  return socket.pause();
}

t.test("a watcher that does not read costs no memory, and learns that it is too late", async (t) => {
  const { store, port, api } = await startApi(t, { logLimit: 100 });
  const sockets: Socket[] = [];
  api.server.on("connection", (socket: Socket) => sockets.push(socket));
  await store.create(ConfigMaps, configMap("a"));
  const deaf = await deafWatch(t, port, store.revision);
  const text = "x".repeat(50_000);
  for (let i = 0; i < 1_000; i++) {
    await store.mutate(ConfigMaps, "default", "a", (draft) => void (draft.data = { text: `${i}${text}` }));
    if (i % 50 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const buffered = sockets.reduce((sum, socket) => sum + socket.writableLength, 0);
  t.ok(buffered < 1_000_000, `${buffered} bytes wait for it, of 50 MB written`);
  let last = "";
  await new Promise<void>((resolve) => {
    deaf.on("data", (chunk) => {
      last = (last + String(chunk)).slice(-1000);
      if (last.endsWith("0\r\n\r\n")) resolve();
    });
    deaf.resume();
  });
  t.match(last, /{"type":"ERROR","object":{[^]*"code":410/);
});

t.test("1,000 watchers see every change", async (t) => {
  const { store, url } = await startApi(t);
  const leave = new AbortController();
  t.teardown(() => leave.abort());
  const from = store.revision;
  const options = { headers: { authorization: `Bearer ${TOKEN}` }, signal: leave.signal };
  const watches = await Promise.all(
    Array.from({ length: 1_000 }, () => fetch(`${url}/api/v1/configmaps?watch=true&resourceVersion=${from}`, options)),
  );
  const counted = watches.map(async ({ body }) => {
    let lines = 0;
    for await (const chunk of body ?? []) {
      lines += String(Buffer.from(chunk)).split("\n").length - 1;
      if (lines === 20) return lines;
    }
    return lines;
  });
  for (let i = 0; i < 20; i++) await store.create(ConfigMaps, configMap(`c${i}`));
  t.strictSame([...new Set(await Promise.all(counted))], [20]);
});
