// The generator against a server of this process: both loops, connections, errors by cause, a target that dies, endpoints learned late.
import { createServer } from "node:http";
import t, { type Test } from "tap";
import { gatewayTransport, runLoad, type Tally } from "../../../lab/index.ts";
import { realClock, VirtualClock } from "../../../model/clock.ts";
import type { FlowRecord } from "../../../model/ports.ts";
import { loadOf, type TinyServer, tinyServer } from "./server.ts";

const errorsOf = (tally: Tally): Record<string, number> => Object.fromEntries(tally.errors);

t.test("closed loop: exact counts, kept alive or not", async (t) => {
  const rows: readonly (readonly [keepAlive: boolean, clients: number, requests: number, connections: number])[] = [
    [true, 4, 100, 4],
    [true, 1, 50, 1],
    [false, 4, 100, 100],
    [true, 8, 3, 3],
  ];
  for (const [keepAlive, connections, requests, opened] of rows) {
    const { address, seen } = await tinyServer(t);
    const { tally, unsent } = await runLoad(loadOf(address, { keepAlive, connections, requests }));
    const name = `${connections} clients, keep-alive ${keepAlive}`;
    t.match(tally, { sent: requests, answered: requests, failed: 0, connections: opened }, name);
    t.strictSame(seen, { requests, connections: opened }, `${name}: the server counted the same`);
    t.equal(tally.latency.count, requests);
    t.equal(unsent, 0);
  }
});

t.test("closed loop: ends by time, reports progress", async (t) => {
  const { address, seen, clock } = await paced(t, 5);
  let reports = 0;
  const { tally, durationMs } = await runLoad(loadOf(address, { connections: 1, forMs: 300, onProgress: () => reports++, clock }));
  t.equal(durationMs, 300);
  t.equal(tally.answered, seen.requests);
  t.ok(reports >= 2, `${reports} reports`);
});

t.test("one stall: a closed loop hardly sees it, an open loop counts from the time each request was due", async (t) => {
  const stall = async (open: boolean): Promise<Tally> => {
    const { address } = await tinyServer(t, (_request, response, nth) => {
      if (nth === 1) realClock.after(300, () => response.end());
      else response.end();
    });
    const loop = open ? { requestsPerSecond: 100 } : {};
    return (await runLoad(loadOf(address, { connections: 1, requests: 40, ...loop }))).tally;
  };
  const [closed, open] = [await stall(false), await stall(true)];
  t.ok(closed.latency.percentile(50) < 100, `closed loop: p50 ${closed.latency.percentile(50)} ms`);
  t.ok(open.latency.percentile(50) > 50, `open loop: p50 ${open.latency.percentile(50)} ms`);
  t.ok(open.latency.percentile(50) < 300);
  t.equal(open.answered, 40);
});

t.test("open loop: the rate is kept, what found no client is told", async (t) => {
  const { address, clock } = await paced(t, 5);
  const even = await runLoad(loadOf(address, { connections: 10, requestsPerSecond: 200, forMs: 500, clock }));
  t.match(even.tally, { sent: 100, answered: 100, failed: 0, connections: 10 });
  t.equal(even.unsent, 0);
  const deaf = await tinyServer(t, () => undefined);
  const behind = await runLoad(loadOf(deaf.address, { connections: 2, requestsPerSecond: 100, forMs: 300, timeoutMs: 500 }));
  t.match(behind.tally, { sent: 2, answered: 0, failed: 2 });
  t.equal(behind.unsent, 28);
});

t.test("errors by cause", async (t) => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const address = closed.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await new Promise((resolve) => closed.close(resolve));
  const refused = await runLoad(loadOf({ ip: "127.0.0.1", port }, { requests: 10 }));
  t.strictSame(errorsOf(refused.tally), { ECONNREFUSED: 10 });
  t.match(refused.tally, { sent: 10, answered: 0, failed: 10, connections: 0 });

  const clock = new VirtualClock();
  const scripted = await tinyServer(t, (request, response, nth) => {
    if (nth <= 10) return void response.writeHead(503).end();
    if (nth <= 15) return void request.socket.resetAndDestroy();
    if (nth <= 18) return void request.socket.destroy();
    if (nth === 19) return void response.writeHead(200, { "content-length": "10" }).write("ab", () => request.socket.destroy());
    if (nth === 20) return void clock.advance(300);
    response.end();
  });
  const { tally } = await runLoad(loadOf(scripted.address, { requests: 30, connections: 1, timeoutMs: 300, clock }));
  const wanted = { "HTTP 503": 10, ECONNRESET: 5, "closed before the answer": 3, "closed in the middle of the answer": 1, timeout: 1 };
  t.strictSame(errorsOf(tally), wanted);
  t.match(tally, { sent: 30, answered: 20, failed: 20 });
});

t.test("the pod dies in mid-run: what it had is lost, then connections are refused, nothing goes uncounted", async (t) => {
  const { address, server } = await tinyServer(t, (_request, response, nth) => {
    if (nth < 50) return void response.end();
    server.close();
    server.closeAllConnections();
  });
  const { tally } = await runLoad(loadOf(address, { requests: 200 }));
  t.equal(tally.sent, 200);
  t.equal(tally.answered, 49);
  t.equal(tally.failed, 151);
  t.ok((tally.errors.get("ECONNREFUSED") ?? 0) >= 140, JSON.stringify(errorsOf(tally)));
});

t.test("a signal ends the run at once, and what was under way is not counted", async (t) => {
  const abort = new AbortController();
  const { address } = await tinyServer(t, (_request, response, nth) => {
    if (nth <= 20) return void response.end();
    abort.abort();
  });
  const { tally } = await runLoad(loadOf(address, { connections: 1, forMs: 60_000, timeoutMs: 60_000, signal: abort.signal }));
  t.match(tally, { sent: 20, answered: 20, failed: 0 });

  const stop = new AbortController();
  const even = await paced(t, 5, (nth) => nth === 5 && stop.abort());
  const open = await runLoad(loadOf(even.address, { requestsPerSecond: 200, forMs: 60_000, signal: stop.signal, clock: even.clock }));
  t.ok(open.tally.sent <= 6 && open.unsent <= 1, "what would have been due later is not told as unsent");
});

t.test("endpoints: from flows that come before or after, from the answer itself", async (t) => {
  const { address, server } = await tinyServer(t, (request, response) => {
    if (request.url === "/ingress") response.setHeader("X-Loopkube-Endpoint", "127.244.2.9:8080");
    response.end();
  });
  const flows = flowsOf(() => `127.244.1.${(nth++ % 2) + 1}:80`);
  let nth = 0;
  server.on("connection", (socket) => flows.add(`127.0.0.1:${socket.remotePort}`));
  const { tally } = await runLoad(loadOf(address, { keepAlive: false, requests: 50, flows: flows.stream() }));
  const shares = [...tally.endpoints].map(([name, { requests, connections }]) => `${name} ${requests} ${connections}`).sort();
  t.strictSame(shares, ["127.244.1.1:80 25 25", "127.244.1.2:80 25 25"]);
  const routed = await runLoad(loadOf(address, { path: "/ingress", requests: 12, connections: 3, flows: flowsOf(() => "").stream(true) }));
  t.strictSame(
    [...routed.tally.endpoints].map(([name, { requests, connections }]) => [name, requests, connections]),
    [["127.244.2.9:8080", 12, 0]],
  );
});

t.test("through a proxy: CONNECT tells the endpoint, its refusals are the dial's errors", async (t) => {
  const { address, server } = await tinyServer(t);
  const proxy = await tinyServer(t);
  let asked = "";
  proxy.server.on("connect", (request, socket) => {
    asked = `${request.url} ${Buffer.from((request.headers["proxy-authorization"] ?? "").slice(6), "base64").toString()}`;
    if (request.url === "gone:80")
      return void socket.end("HTTP/1.1 502 Bad Gateway\r\nX-Loopkube-Error: ECONNREFUSED\r\nContent-Length: 0\r\n\r\n");
    socket.write("HTTP/1.1 200 OK\r\nX-Loopkube-Endpoint: 127.244.1.7:80\r\n\r\n");
    server.emit("connection", socket);
  });
  const through = (host: string) => gatewayTransport({ gateway: proxy.address, host, port: 80, pod: "default/client" });
  const { tally } = await runLoad(loadOf(address, { transport: through("web"), requests: 20, connections: 2 }));
  t.equal(asked, "web:80 default/client:");
  t.strictSame(
    [...tally.endpoints].map(([name, { requests, connections }]) => [name, requests, connections]),
    [["127.244.1.7:80", 20, 2]],
  );
  const refused = await runLoad(loadOf(address, { transport: through("gone"), requests: 5 }));
  t.strictSame(errorsOf(refused.tally), { ECONNREFUSED: 5 });
});

/** A server whose every answer takes so long, on a clock that only its answers move. */
async function paced(t: Test, answerMs: number, seen: (nth: number) => unknown = () => {}): Promise<TinyServer & { clock: VirtualClock }> {
  const clock = new VirtualClock();
  const server = await tinyServer(t, (_request, response, nth) => {
    response.end();
    seen(nth);
    void clock.advance(answerMs);
  });
  return { ...server, clock };
}

/** A stream of flows that the test feeds by source. */
function flowsOf(endpoint: () => string): { add(source: string): void; stream(ended?: boolean): AsyncIterable<FlowRecord> } {
  const queue: FlowRecord[] = [];
  let wake = (): void => {};
  return {
    add(source) {
      queue.push({ at: realClock.now(), flow: 1, node: "n", source, destination: "", endpoint: endpoint(), service: "" });
      wake();
    },
    async *stream(ended = false) {
      while (!ended) {
        yield* queue.splice(0);
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}
