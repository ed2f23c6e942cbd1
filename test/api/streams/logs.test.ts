import { once } from "node:events";
import { get } from "node:http";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { badRequest } from "../../../model/errors.ts";
import type { LogOptions } from "../../../model/ports.ts";
import { examplePod, type Fixture, kubectls, ProcessStreams, startFixture } from "./kubectl-fixture.ts";

async function start(t: Test, streams: ProcessStreams, ...containers: readonly string[]): Promise<Fixture> {
  const api = await startFixture(examplePod(...containers), streams);
  t.teardown(() => api.close());
  return api;
}

const LOG = "/api/v1/namespaces/default/pods/web/log";

async function ask(api: Fixture, query: string): Promise<string> {
  const response = await fetch(`${api.url}${LOG}?${query}`);
  const text = await response.text();
  return `${response.status} ${response.ok ? text : (JSON.parse(text) as { message: string }).message}`;
}

t.test("options and errors", async (t) => {
  const streams = new ProcessStreams();
  const api = await start(t, streams, "a", "b");
  const rows: readonly (readonly [string, string])[] = [
    ["container=a", "200 first line\nsecond line\n"],
    ["", "400 a container name must be specified for pod web, choose one of: [a b]"],
    ["container=c", "400 container c is not valid for pod web"],
    ["container=a&tailLines=-1", '422 PodLogOptions "web" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0'],
    ["container=a&limitBytes=0", '422 PodLogOptions "web" is invalid: limitBytes: Invalid value: 0: must be greater than 0'],
    ["container=a&sinceSeconds=0", '422 PodLogOptions "web" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0'],
    ["container=a&tailLines=ten", '400 strconv.ParseInt: parsing "ten": invalid syntax'],
  ];
  for (const [query, want] of rows) t.equal(await ask(api, query), want, query);
  streams.logCalls.length = 0;
  await ask(api, "container=b&follow=true&tailLines=5&sinceSeconds=60&timestamps=1&previous=false&limitBytes=9");
  t.match(streams.logCalls, [{ follow: true, previous: false, timestamps: true, tailLines: 5, sinceSeconds: 60, limitBytes: 9 }]);
  streams.log = async function* () {
    throw badRequest('container "a" in pod "web" is waiting to start: ContainerCreating');
  };
  t.equal(await ask(api, "container=a"), '400 container "a" in pod "web" is waiting to start: ContainerCreating');
});

t.test("follow: headers at once, each line as it comes, and a client that leaves", async (t) => {
  const streams = new ProcessStreams();
  const lines = Promise.withResolvers<string>();
  const aborted = Promise.withResolvers<void>();
  streams.log = async function* (options: LogOptions) {
    options.signal.addEventListener("abort", () => aborted.resolve());
    yield await lines.promise;
    await aborted.promise;
  };
  const api = await start(t, streams, "app");
  const request = get(`${api.url}${LOG}?follow=true`);
  const [response] = await once(request, "response");
  t.equal(response.statusCode, 200, "answered before the first line");
  t.equal(response.headers["transfer-encoding"], "chunked");
  lines.resolve("a line\n");
  t.equal(String((await once(response, "data"))[0]), "a line\n");
  response.on("error", () => undefined);
  request.destroy();
  await aborted.promise;
  t.pass("reading was stopped");
});

t.test("more than a reader takes in at once", async (t) => {
  const streams = new ProcessStreams();
  streams.log = async function* () {
    for (let i = 0; i < 200; i++) yield "x".repeat(20_000);
  };
  const api = await start(t, streams, "app");
  t.equal((await ask(api, "")).length, 4_000_004);
});

t.test("as WebSocket messages", async (t) => {
  const api = await start(t, new ProcessStreams(), "app");
  for (const [protocol, want] of [
    ["binary.k8s.io", "first line\nsecond line\n"],
    ["base64.binary.k8s.io", Buffer.from("first line\nsecond line\n").toString("base64")],
  ] as const) {
    const socket = new WebSocket(`${api.url.replace("http", "ws")}${LOG}`, protocol);
    const [message] = await once(socket, "message");
    t.equal(String(message), want, protocol);
    const [code] = await once(socket, "close");
    t.equal(code, 1000);
  }
});

for (const [version, kubectl] of kubectls) {
  t.test(`kubectl ${version} logs`, async (t) => {
    const streams = new ProcessStreams();
    const api = await start(t, streams, "app");
    t.match(await api.run(kubectl, ["logs", "web", "--tail=5", "-f"]), { code: 0, stdout: "first line\nsecond line\n" });
    t.match(streams.logCalls, [{ follow: true, tailLines: 5 }]);
    t.match(await api.run(kubectl, ["logs", "web", "-c", "other"]), { code: 1, stderr: /container other is not valid for pod web/ });
  });
}
