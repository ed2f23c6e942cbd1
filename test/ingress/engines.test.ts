// One behaviour suite for the engines of HTTP/1.1, through the interface that the handler uses, over real sockets to raw pods.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from "node:net";
import t, { type Test } from "tap";
import { realClock } from "../../model/clock.ts";
import { ClientSignal, type Forward, type ForwardRequest, type ForwardResponse, UpstreamError } from "../../ingress/engine/forward.ts";
import { createHttpProxyEngine } from "../../ingress/engine/http-proxy-engine.ts";
import { createMemoryEngine } from "../../ingress/engine/memory-engine.ts";
import { createNodeEngine } from "../../ingress/engine/node-engine.ts";
import type { DialPeer } from "../../ingress/engine/peer-agent.ts";
import { createDuplexPair, pipeBoth } from "../../netsim/index.ts";
import { raw, until } from "./raw.ts";

type Pod = (bytes: Socket, seen: string[]) => void;

/** Reads requests as bytes: `answer` is given what came so far and may write. */
const scripted =
  (answer: (text: string, socket: Socket) => void): Pod =>
  (socket, seen) => {
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      seen[seen.length - 1] = text;
      answer(text, socket);
    });
  };

/** Once a head without a body is there. */
const replying = (bytes: string): Pod => scripted((text, socket) => void (text.endsWith("\r\n\r\n") && socket.end(bytes)));

interface Setup {
  readonly front: AddressInfo;
  /** Bytes of each connection to the pod. */
  readonly seen: string[];
  readonly answers: (ForwardResponse | UpstreamError)[];
  readonly connections: Set<Socket>;
}

type Change = Partial<Pick<ForwardRequest, "httpVersion" | "connectTimeoutMs" | "readTimeoutMs" | "sendTimeoutMs">>;

const listen = (server: Server): Promise<AddressInfo> =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address() as AddressInfo)));

async function setUp(
  t: Test,
  make: (dial: DialPeer) => Forward & { close(): void },
  pod: Pod | "refusing" | "silent",
  change: Change = {},
): Promise<Setup> {
  const seen: string[] = [];
  const answers: (ForwardResponse | UpstreamError)[] = [];
  const connections = new Set<Socket>();
  const pods = createTcpServer((socket) => {
    seen.push("");
    connections.add(socket);
    socket.on("error", () => {});
    if (typeof pod === "function") pod(socket, seen);
  });
  const { port } = await listen(pods);
  const dial: DialPeer = (host, to) => {
    if (pod === "silent") return new Promise(() => {});
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    const socket = connect(pod === "refusing" ? 1 : to, host);
    socket.once("connect", () => resolve(socket)).once("error", reject);
    return promise;
  };
  const engine = make(dial);
  const proxy = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const signal = new ClientSignal();
    response.once("close", () => {
      if (!response.writableFinished) signal.abort();
    });
    const length = request.headers["content-length"];
    const streams = length !== undefined || request.headers["transfer-encoding"] !== undefined;
    const headers: Record<string, string> = { Host: "pod.example" };
    if (length !== undefined) headers["Content-Length"] = length;
    else if (streams) headers["Transfer-Encoding"] = "chunked";
    try {
      const answer = await engine.send(
        { request, response, signal },
        {
          method: request.method ?? "GET",
          target: request.url ?? "/",
          headers,
          body: streams ? { type: "stream", stream: request } : { type: "none" },
          peer: { id: `127.0.0.1:${port}`, host: "127.0.0.1", port },
          tls: undefined,
          httpVersion: "1.1",
          connectTimeoutMs: 5000,
          sendTimeoutMs: 5000,
          readTimeoutMs: 5000,
          ...change,
        },
      );
      answers.push(answer);
      response.writeHead(
        answer.status,
        answer.statusText,
        [...answer.rawHeaders].filter((_, i, all) => !/^(?:connection|transfer-encoding|keep-alive)$/i.test(all[i - (i % 2)] ?? "")),
      );
      const { stream } = answer;
      stream.once("close", () => (stream.readableEnded ? undefined : response.destroy()));
      stream.once("error", () => response.destroy());
      stream.pipe(response);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      answers.push(error);
      response.writeHead(error.status).end(error.failure);
    }
  };
  const front = createServer((request, response) => void proxy(request, response));
  t.teardown(async () => {
    engine.close();
    front.closeAllConnections();
    for (const socket of connections) socket.destroy();
    await Promise.all([new Promise((resolve) => front.close(resolve)), new Promise((resolve) => pods.close(resolve))]);
  });
  return { front: await listen(front), seen, answers, connections };
}

/** The same pods at the other end of in-memory connections. */
function overMemory(dial: DialPeer): DialPeer {
  return async (host, port) => {
    const socket = await dial(host, port);
    const [client, pod] = [
      { ip: "127.244.0.5", port: 40_000 },
      { ip: host, port },
    ];
    const [near, far] = createDuplexPair(
      realClock,
      { local: client, remote: pod, allowHalfOpen: false },
      { local: pod, remote: client, allowHalfOpen: true },
    );
    near.on("error", () => {});
    pipeBoth(far, socket);
    return near;
  };
}

const at = ({ address, port }: AddressInfo): { ip: string; port: number } => ({ ip: address, port });
const close = "Connection: close\r\n\r\n";

interface Behaviour {
  readonly what: string;
  readonly pod: Pod | "refusing" | "silent";
  readonly change?: Change;
  /** What the client sends. */
  readonly sends: string;
  /** All that it gets. */
  readonly gets: RegExp;
  /** What the pod's first connection got. */
  readonly podGets?: RegExp;
  readonly fails?: { readonly failure: string; readonly requestSent: boolean };
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const body = (until: string, answer = OK): Pod => scripted((text, socket) => void (text.endsWith(until) && socket.write(answer)));

const BEHAVIOURS: readonly Behaviour[] = [
  {
    what: "a status with its own words",
    pod: replying("HTTP/1.1 299 Rather Fine\r\nContent-Length: 0\r\n\r\n"),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /^HTTP\/1\.1 299 Rather Fine\r\n/,
  },
  {
    what: "204 has no body",
    pod: replying("HTTP/1.1 204 No Content\r\n\r\n"),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /^HTTP\/1\.1 204 No Content\r\n(?:[^\r]+\r\n)*\r\n$/,
  },
  {
    what: "304 keeps the length it speaks of",
    pod: replying('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 5\r\n\r\n'),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /^HTTP\/1\.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 5\r\n(?:[^\r]+\r\n)*\r\n$/,
  },
  {
    what: "HEAD: the length, no body",
    pod: replying("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    sends: `HEAD / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /Content-Length: 5\r\n(?:[^\r]+\r\n)*\r\n$/,
    podGets: /^HEAD \/ HTTP\/1\.1\r\n/,
  },
  {
    what: "chunks are an answer",
    pod: replying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /\r\n(?:5\r\nabcde|3\r\nabc\r\n2\r\nde)\r\n0\r\n\r\n$/,
  },
  {
    what: "an answer that ends with its connection",
    pod: replying("HTTP/1.1 200 OK\r\n\r\nto the end"),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /to the end/,
  },
  {
    what: "an answer of HTTP/1.0",
    pod: replying("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /^HTTP\/1\.1 200 OK\r\n[^]*ok$/,
  },
  {
    what: "1xx come before the answer and are not it",
    pod: replying(`HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}`),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /^HTTP\/1\.1 200 OK\r\n[^]*ok$/,
  },
  {
    what: "header lines of one name stay lines",
    pod: replying("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 0\r\n\r\n"),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /Set-Cookie: a=1\r\nset-cookie: b=2\r\n/,
  },
  {
    what: "the target as it was sent",
    pod: replying(OK),
    sends: `GET /a//b/../%2F?x=%20&&y HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /ok$/,
    podGets: /^GET \/a\/\/b\/\.\.\/%2F\?x=%20&&y HTTP\/1\.1\r\nHost: pod\.example\r\n/,
  },
  {
    what: "a body with its length",
    pod: body("hello"),
    sends: `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n${close}hello`,
    gets: /ok$/,
    podGets: /Content-Length: 5\r\n(?:[^\r]+\r\n)*\r\nhello$/,
  },
  {
    what: "a chunked body",
    pod: body("0\r\n\r\n"),
    sends: `PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n${close}5\r\nhello\r\n0\r\n\r\n`,
    gets: /ok$/,
    podGets: /Transfer-Encoding: chunked\r\n(?:[^\r]+\r\n)*\r\n5\r\nhello\r\n0\r\n\r\n$/,
  },
  {
    what: "a chunked DELETE keeps its framing",
    pod: body("0\r\n\r\n"),
    sends: `DELETE / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n${close}1d\r\nGET /smuggled HTTP/1.1\r\nHost:\r\n0\r\n\r\n`,
    gets: /ok$/,
    podGets: /^DELETE [^]*Transfer-Encoding: chunked\r\n(?:[^\r]+\r\n)*\r\n1d\r\nGET \/smuggled/i,
  },
  {
    what: "a chunked OPTIONS too",
    pod: body("0\r\n\r\n"),
    sends: `OPTIONS /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n${close}1\r\na\r\n0\r\n\r\n`,
    gets: /ok$/,
    podGets: /^OPTIONS [^]*Transfer-Encoding: chunked\r\n(?:[^\r]+\r\n)*\r\n1\r\na\r\n0\r\n\r\n$/,
  },
  {
    what: "Expect: the client is told to go on, the pod gets the body",
    pod: body("hello"),
    sends: `POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n${close}hello`,
    gets: /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/,
    podGets: /hello$/,
  },
  {
    what: "a client of HTTP/1.0",
    pod: replying(OK),
    sends: "GET / HTTP/1.0\r\n\r\n",
    gets: /^HTTP\/1\.1 200 OK\r\n[^]*ok$/,
    podGets: /^GET \/ HTTP\/1\.1\r\n/,
  },
  {
    what: "HTTP/1.0 to the pod",
    pod: replying(OK),
    change: { httpVersion: "1.0" },
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /ok$/,
    podGets: /^GET \/ HTTP\/1\.0\r\nHost: pod\.example\r\n\r\n$/,
  },
  {
    what: "refused",
    pod: "refusing",
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /^HTTP\/1\.1 502 /,
    fails: { failure: "error", requestSent: false },
  },
  {
    what: "no connection in time",
    pod: "silent",
    change: { connectTimeoutMs: 20 },
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /^HTTP\/1\.1 504 /,
    fails: { failure: "timeout", requestSent: false },
  },
  {
    what: "no answer in time",
    pod: scripted(() => {}),
    change: { readTimeoutMs: 20 },
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /^HTTP\/1\.1 504 /,
    fails: { failure: "timeout", requestSent: true },
  },
  {
    what: "a pod that hangs up",
    pod: scripted((_, socket) => socket.destroy()),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /^HTTP\/1\.1 502 /,
    fails: { failure: "error", requestSent: true },
  },
  {
    what: "a pod that resets",
    pod: scripted((_, socket) => socket.resetAndDestroy()),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /^HTTP\/1\.1 502 /,
    fails: { failure: "error", requestSent: true },
  },
  {
    what: "an answer that is no HTTP",
    pod: replying("hello there\r\n\r\n"),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /^HTTP\/1\.1 502 /,
    fails: { failure: "invalid_header", requestSent: true },
  },
  {
    what: "a head without end",
    pod: replying(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(40_000)}\r\n\r\n`),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /^HTTP\/1\.1 502 /,
    fails: { failure: "invalid_header", requestSent: true },
  },
  {
    what: "a pod that breaks off cuts the client's answer",
    pod: scripted(
      (_, socket) => void (socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), setImmediate(() => socket.destroy())),
    ),
    sends: `GET / HTTP/1.1\r\nHost: x\r\n${close}`,
    gets: /half$/,
  },
];

const ENGINES: readonly (readonly [name: string, make: (dial: DialPeer) => Forward & { close(): void }])[] = [
  ["http-proxy", (dial) => createHttpProxyEngine(realClock, dial)],
  ["node:http", (dial) => createNodeEngine(realClock, dial)],
  ["memory", (dial) => createMemoryEngine(realClock, overMemory(dial), createHttpProxyEngine(realClock, dial))],
];

for (const [name, make] of ENGINES) {
  await t.test(name, async (t) => {
    t.equal(make(() => new Promise(() => {})).name, name);
    for (const { what, pod, change, sends, gets, podGets, fails } of BEHAVIOURS) {
      await t.test(what, async (t) => {
        const { front, seen, answers } = await setUp(t, make, pod, change);
        t.match(await raw(at(front), sends), gets);
        if (podGets) t.match(seen[0], podGets);
        t.ok(seen.length <= 1, "one connection");
        const [answer] = answers;
        if (fails) t.match(answer, fails);
        else t.notOk(answer instanceof UpstreamError, String(answer));
      });
    }

    await t.test("trailers of an answer", async (t) => {
      const { front, answers } = await setUp(
        t,
        make,
        replying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n"),
      );
      await raw(at(front), `GET / HTTP/1.1\r\nHost: x\r\n${close}`);
      const [answer] = answers;
      t.strictSame(answer instanceof UpstreamError ? [] : answer?.trailers(), ["X-Sum", "7"]);
    });

    await t.test("a client that leaves: the pod's connection ends, before and in the answer", async (t) => {
      for (const answer of ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"]) {
        const { front, seen, connections } = await setUp(
          t,
          make,
          scripted((text, socket) => void (text.endsWith("\r\n\r\n") && socket.write(answer))),
        );
        const client = connect(front.port, front.address);
        client.on("error", () => {}).write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        let got = "";
        client.on("data", (chunk) => (got += chunk.toString()));
        await until(() => (answer === "" ? seen[0]?.endsWith("\r\n\r\n") === true : got.includes("abc")));
        client.destroy();
        await until(() => [...connections].every((socket) => socket.destroyed));
        t.pass(answer === "" ? "before" : "in");
      }
    });

    await t.test("large bodies arrive whole, both ways", async (t) => {
      const bytes = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef!");
      let received = 0;
      const hash = createHash("sha256");
      const { front } = await setUp(t, make, (socket) => {
        let head = "";
        socket.on("data", (chunk: Buffer) => {
          let rest = chunk;
          if (!head.endsWith("\r\n\r\n")) {
            const text = head + chunk.toString("latin1");
            const end = text.indexOf("\r\n\r\n") + 4;
            if (end < 4) return void (head = text);
            rest = chunk.subarray(end - head.length);
            head = text.slice(0, end);
          }
          hash.update(rest);
          received += rest.length;
          if (received < bytes.length) return;
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes.length}\r\n\r\n`);
          socket.write(bytes);
        });
      });
      const answer = await raw(
        at(front),
        Buffer.concat([Buffer.from(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n${close}`), bytes]),
      );
      const sum = (of: Buffer): string => createHash("sha256").update(of).digest("hex");
      t.equal(hash.digest("hex"), sum(bytes));
      t.equal(sum(Buffer.from(answer.slice(answer.indexOf("\r\n\r\n") + 4), "latin1")), sum(bytes));
    });

    await t.test("a connection is used again; one that the pod has closed meanwhile is told apart", async (t) => {
      let requests = 0;
      const { front, answers, connections } = await setUp(
        t,
        make,
        scripted((text, socket) => {
          if (!text.endsWith("\r\n\r\n")) return;
          if (++requests < 3) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
          else socket.destroy();
        }),
      );
      for (let i = 0; i < 3; i++) await raw(at(front), `GET / HTTP/1.1\r\nHost: x\r\n${close}`);
      t.equal(connections.size, 1);
      t.match(answers[2], { failure: "error", reused: true });
    });
  });
}
