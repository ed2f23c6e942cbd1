// GET …/flows: the flows alive, an empty line, then batches as they come; a feed that breaks ends the answer.
import t from "tap";
import type { FlowRecord } from "../../model/ports.ts";
import { startApi } from "./in-process-api.ts";

const PATH = "/apis/loopkube.dev/v1alpha1/flows";
const record = (flow: number): FlowRecord => ({
  at: 1,
  flow,
  node: "n",
  source: "127.0.0.1:4",
  destination: "127.96.0.9:80",
  endpoint: "127.244.1.2:80",
  service: "",
});
const line = (flow: number): string => `${JSON.stringify(record(flow))}\n`;

t.test("flows", async (t) => {
  const { call } = await startApi(t, {
    async *flows(_signal, follow) {
      yield [record(1), record(2)];
      if (!follow) return;
      yield [record(3)];
      yield [record(4), record(5)];
    },
  });
  t.equal((await call("GET", PATH)).text, `${line(1)}${line(2)}\n`);
  t.equal((await call("GET", `${PATH}?follow=true`)).text, `${line(1)}${line(2)}\n${line(3)}${line(4)}${line(5)}`);
});

t.test("none alive; none kept", async (t) => {
  const idle = await startApi(t, {
    async *flows() {
      yield [];
    },
  });
  t.equal((await idle.call("GET", PATH)).text, "\n", "the empty line says that the feed is live");
  const without = await startApi(t);
  t.match((await without.call("GET", PATH)).json, { code: 404, message: "this cluster keeps no flows" });
});
