// What the gateway tells programs: the endpoint of a CONNECT, the errno of a failure; and that the feed has each of its flows.
import { createServer, request, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import t from "tap";
import { realClock } from "../../model/clock.ts";
import type { FlowRecord, Resolve, SocketAddress } from "../../model/ports.ts";
import { createGateway, FlowFeed } from "../../netsim/index.ts";
import { testFabric } from "./test-fabric.ts";

const literalsOnly: Resolve = {
  query: async () => [],
  lookup: async (_from, _conf, host) => Promise.reject(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND" })),
};

t.test("CONNECT and absolute-form requests", async (t) => {
  const { fabric, pod, plan } = await testFabric(t);
  const web = pod("web-1", 10, 1);
  const server = createServer((_request, response) => response.end("hello"));
  await fabric.expose({ ip: web.ip, port: 8080 }, "TCP", { type: "server", server }, web);
  const [service, silent, empty] = [plan.services.at(50), plan.services.at(51), plan.services.at(52)];
  fabric.hooks.verdict = ({ destination: { ip } }) => {
    if (ip === service)
      return { type: "dnat", endpoint: { ip: web.ip, port: 8080 }, masquerade: false, service: "default/web:http", matched: [] };
    return { type: ip === silent ? "drop" : "reject", matched: [] };
  };
  const feed = new FlowFeed(realClock, () => fabric.flows.list());
  fabric.hooks.delivered = feed.delivered;
  const gateway = createGateway({
    fabric,
    resolve: literalsOnly,
    clock: realClock,
    host: { ip: "127.0.0.1", port: 0 },
    connectTimeoutMs: 20,
  });
  await gateway.start();
  t.teardown(() => gateway.stop());
  const at = gateway.socket ?? { ip: "", port: 0 };
  const abort = new AbortController();
  t.teardown(() => abort.abort());
  const flows = feed.subscribe(abort.signal, true)[Symbol.asyncIterator]();
  await flows.next();

  const rows: readonly (readonly [to: string, connect: number, get: number, endpoint: string | undefined, errno: string | undefined])[] = [
    [`${service}:80`, 200, 200, `${web.ip}:8080`, undefined],
    [`${empty}:80`, 502, 502, undefined, "ECONNREFUSED"],
    [`${silent}:80`, 504, 504, undefined, "ETIMEDOUT"],
    ["192.0.2.1:80", 502, 502, undefined, "ENETUNREACH"],
    ["nosuch:80", 502, 502, undefined, "ENOTFOUND"],
  ];
  for (const [to, connected, got, endpoint, errno] of rows) {
    const { answer, socket } = await connect(at, to);
    t.strictSame(told(answer), [connected, endpoint, errno], `CONNECT ${to}`);
    socket.destroy();
    t.strictSame(told(await get(at, `http://${to}/`)), [got, endpoint, errno], `GET http://${to}/`);
  }
  const { value } = (await flows.next()) as { value: readonly FlowRecord[] };
  t.strictSame(
    value.map((flow) => `${flow.destination} ${flow.endpoint} ${flow.service}`),
    Array(2).fill(`${service}:80 ${web.ip}:8080 default/web:http`),
  );
});

const told = ({ statusCode, headers }: IncomingMessage): readonly unknown[] => [
  statusCode,
  headers["x-loopkube-endpoint"],
  headers["x-loopkube-error"],
];

function connect(at: SocketAddress, to: string): Promise<{ readonly answer: IncomingMessage; readonly socket: Duplex }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: at.ip, port: at.port, method: "CONNECT", path: to, headers: { host: to }, agent: false });
    asked.on("connect", (answer, socket) => resolve({ answer, socket }));
    asked.on("error", reject);
    asked.end();
  });
}

function get(at: SocketAddress, url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: at.ip, port: at.port, path: url, headers: { host: new URL(url).host }, agent: false }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer));
    });
    asked.on("error", reject);
    asked.end();
  });
}
