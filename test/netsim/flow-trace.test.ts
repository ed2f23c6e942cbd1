// The trace: bounded, sampled under load, live to subscribers; and garbage that passes through a Service does no harm.
import { createServer } from "node:http";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { FlowTrace } from "../../netsim/index.ts";
import { connected, readAll, testFabric } from "./test-fabric.ts";

t.test("the ring keeps the newest, oldest first", async (t) => {
  const trace = new FlowTrace({ clock: new VirtualClock(), limit: 3 });
  for (let flow = 1; flow <= 5; flow++) trace.record(flow, "node-0", "accept", "x");
  t.same(
    trace.recent().map((hop) => hop.flow),
    [3, 4, 5],
  );
});

t.test("under load one flow in so many is traced", async (t) => {
  const clock = new VirtualClock();
  const trace = new FlowTrace({ clock, flowsPerSecond: 10, oneIn: 5 });
  const sampled = (): number => Array.from({ length: 100 }, () => trace.sample()).filter(Boolean).length;
  t.equal(sampled(), 10 + 18);
  await clock.advance(1000);
  t.equal(sampled(), 28, "each second anew");
  t.equal(new FlowTrace({ clock, limit: 0 }).sample(), false);
});

t.test("subscribers see hops from now on, until they abort", async (t) => {
  const trace = new FlowTrace({ clock: new VirtualClock() });
  trace.record(1, "node-0", "accept", "before");
  const aborter = new AbortController();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const hop of trace.subscribe(aborter.signal)) {
      seen.push(hop.decision);
      if (seen.length === 3) aborter.abort();
    }
  })();
  for (const decision of ["one", "two", "three"]) trace.record(2, "node-0", "verdict", decision);
  await reading;
  t.same(seen, ["one", "two", "three"]);
});

t.test("garbage on a pod's and a Service's port gets the pod's own answer", async (t) => {
  const { fabric, plan, pod } = await testFabric(t);
  const web = pod("web", 5);
  const { socket: at } = await fabric.expose({ ip: web.ip, port: 8080 }, "TCP", { type: "server", server: createServer() }, web);
  const service = { ip: plan.services.at(9), port: 8080 };
  fabric.hooks.verdict = ({ destination }) =>
    destination.ip === service.ip
      ? { type: "dnat", endpoint: { ip: web.ip, port: 8080 }, masquerade: false, service: "default/web:", matched: [] }
      : { type: "pass", matched: [] };
  const { socket: serviceAt } = await fabric.listenService(service, "TCP");
  for (const target of [at, serviceAt]) {
    for (const bytes of [Buffer.from([0, 255, 13, 10]), Buffer.from("\u0016\u0003\u0001garbage")]) {
      const client = await connected(target);
      const answer = readAll(client);
      client.end(bytes);
      t.match(await answer, /^HTTP\/1\.1 400 Bad Request/);
    }
  }
});
