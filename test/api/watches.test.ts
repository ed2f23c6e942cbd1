// Watches over HTTP: selections, initial events, bookmarks, ends. Source: KEP 3157 (WatchList).
import t, { type Test } from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { ConfigMaps } from "../../model/resources.ts";
import { stored } from "./example-objects.ts";
import { type InProcessApi, startApi, TOKEN } from "./in-process-api.ts";

/** Opens a watch and reads its events one by one. */
async function openWatch(
  t: Test,
  { url }: InProcessApi,
  path: string,
  headers: Record<string, string> = {},
): Promise<() => Promise<unknown>> {
  const leave = new AbortController();
  t.teardown(() => leave.abort());
  const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${TOKEN}`, ...headers }, signal: leave.signal });
  t.equal(response.status, 200, path);
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  return async () => {
    while (!rest.includes("\n")) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      rest += value;
    }
    const line = rest.slice(0, rest.indexOf("\n"));
    rest = rest.slice(line.length + 1);
    return JSON.parse(line) as unknown;
  };
}

t.test("a watch shows objects entering and leaving its selection", async (t) => {
  const api = await startApi(t);
  const { store } = api;
  const path = `/api/v1/namespaces/default/configmaps?watch=true&labelSelector=app%3Dweb&resourceVersion=${store.revision}`;
  const next = await openWatch(t, api, path);
  await store.create(ConfigMaps, stored("other", { app: "db" }));
  await store.create(ConfigMaps, stored("web", { app: "web" }));
  t.match(await next(), { type: "ADDED", object: { kind: "ConfigMap", metadata: { name: "web" } } });
  await store.mutate(ConfigMaps, "default", "other", (draft) => void (draft.metadata.labels = { app: "web" }));
  t.match(await next(), { type: "ADDED", object: { metadata: { name: "other" } } });
  await store.mutate(ConfigMaps, "default", "web", (draft) => void (draft.data = { a: "b" }));
  t.match(await next(), { type: "MODIFIED", object: { data: { a: "b" } } });
  await store.mutate(ConfigMaps, "default", "web", (draft) => void (draft.metadata.labels = {}));
  t.match(await next(), { type: "DELETED", object: { metadata: { name: "web" } } });
  await store.delete(ConfigMaps, "default", "other");
  t.match(await next(), { type: "DELETED", object: { metadata: { name: "other", resourceVersion: String(store.revision) } } });
});

t.test("a watch list ends its initial events with a bookmark", async (t) => {
  const api = await startApi(t);
  const options = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
  const next = await openWatch(t, api, `/api/v1/namespaces?${options}`);
  t.match(await next(), { type: "ADDED", object: { metadata: { name: "default" } } });
  t.match(await next(), { type: "ADDED", object: { metadata: { name: "kube-system" } } });
  t.match(await next(), {
    type: "BOOKMARK",
    object: {
      kind: "Namespace",
      apiVersion: "v1",
      metadata: { resourceVersion: String(api.store.revision), annotations: { "k8s.io/initial-events-end": "true" } },
    },
  });
});

t.test("a watch as tables; its timeout; idle bookmarks", async (t) => {
  const clock = new VirtualClock();
  const api = await startApi(t, { clock });
  const table = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" };
  const next = await openWatch(t, api, "/api/v1/namespaces?watch=1&allowWatchBookmarks=true&timeoutSeconds=100", table);
  t.match(await next(), {
    type: "ADDED",
    object: { kind: "Table", columnDefinitions: [{ name: "Name" }], rows: [{ cells: ["default", "Active"] }] },
  });
  t.match(await next(), { type: "ADDED", object: { kind: "Table", columnDefinitions: [], rows: [{ cells: ["kube-system", "Active"] }] } });
  await api.store.settle();
  await clock.advance(61_000);
  t.match(await next(), { type: "BOOKMARK", object: { kind: "Table", rows: [{ object: { metadata: { resourceVersion: "3" } } }] } });
  await clock.advance(40_000);
  t.equal(await next(), undefined, "ended by timeoutSeconds");
});

t.test("stopping the server ends its watches", async (t) => {
  const api = await startApi(t);
  const next = await openWatch(t, api, "/api/v1/namespaces?watch=1");
  await next();
  await next();
  await api.api.stop();
  t.equal(await next(), undefined);
});
