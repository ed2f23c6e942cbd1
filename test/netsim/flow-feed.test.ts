// The exact feed of flows: those alive first, each new one once, nothing kept for no one, an overrun is told.
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import type { FlowRecord } from "../../model/ports.ts";
import { FlowFeed } from "../../netsim/index.ts";
import { LiveFlow } from "../../netsim/live-flow.ts";

const peer = { kind: "host", ip: "127.0.0.1" } as const;

function flow(id: number, endpoint = "127.244.1.5"): LiveFlow {
  const made = new LiveFlow(id, "TCP", peer, { ip: "127.0.0.1", port: 40_000 + id }, { ip: "127.96.0.12", port: 80 }, "n", false);
  const address = { ip: endpoint, port: 8080 };
  made.exposure = { address, protocol: "TCP", backend: { type: "datagram", handler: () => {} }, owner: peer, name: {} };
  made.service = "default/web:http";
  return made;
}

const ids = (batch: readonly FlowRecord[] | undefined): readonly number[] => (batch ?? []).map((record) => record.flow);

t.test("alive, then as they come", async (t) => {
  const held = new LiveFlow(8, "TCP", peer, { ip: "127.0.0.1", port: 1 }, { ip: "127.96.0.12", port: 80 }, "n", false);
  const feed = new FlowFeed(new VirtualClock(1000), () => [flow(7), held]);
  feed.delivered(flow(1));
  const abort = new AbortController();
  const batches = feed.subscribe(abort.signal, true)[Symbol.asyncIterator]();
  const first = await batches.next();
  t.strictSame(first.value, [
    {
      at: 1000,
      flow: 7,
      node: "n",
      source: "127.0.0.1:40007",
      destination: "127.96.0.12:80",
      endpoint: "127.244.1.5:8080",
      service: "default/web:http",
    },
  ]);
  const next = batches.next();
  for (const id of [2, 3, 4]) feed.delivered(flow(id));
  t.strictSame(ids((await next).value), [2, 3, 4], "one batch for one turn");
  feed.delivered(flow(5));
  t.strictSame(ids((await batches.next()).value), [5], "what came while nobody asked");
  const last = batches.next();
  abort.abort();
  t.equal((await last).done, true);
  const once: number[] = [];
  for await (const batch of feed.subscribe(new AbortController().signal, false)) once.push(...ids(batch));
  t.strictSame(once, [7], "without follow it ends");
});

t.test("a listener that is too far behind gets an error, not a gap", async (t) => {
  const feed = new FlowFeed(new VirtualClock(), () => [], 3);
  const batches = feed.subscribe(new AbortController().signal, true)[Symbol.asyncIterator]();
  await batches.next();
  const next = batches.next();
  for (let id = 1; id <= 5; id++) feed.delivered(flow(id));
  await t.rejects(next, /more than 3 flows behind/);
});
