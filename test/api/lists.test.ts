// Lists over HTTP: pages of one revision, selectors, and revisions that are gone.
import t from "tap";
import { ConfigMaps, Jobs } from "../../model/resources.ts";
import { CORE, stored } from "./example-objects.ts";
import { startApi } from "./in-process-api.ts";

const names = (json: { readonly items?: unknown }): string =>
  (json.items as readonly { readonly metadata: { readonly name: string } }[]).map(({ metadata }) => metadata.name).join(" ");

t.test("lists come in pages of one revision", async (t) => {
  const { call, store } = await startApi(t);
  for (const name of ["a", "b", "c", "d"]) await store.create(ConfigMaps, stored(name, { odd: String(name === "a" || name === "c") }));
  const path = `${CORE}/configmaps`;
  const first = (await call("GET", `${path}?limit=2`)).json;
  t.equal(names(first), "a b");
  t.match(first, { kind: "ConfigMapList", metadata: { remainingItemCount: 2 } });
  await store.delete(ConfigMaps, "default", "d");
  await store.create(ConfigMaps, stored("e"));
  const second = (await call("GET", `${path}?limit=2&continue=${String(first.metadata?.continue)}`)).json;
  t.equal(names(second), "c d", "the first page's revision");
  t.equal(second.metadata?.resourceVersion, first.metadata?.resourceVersion);
  t.notOk(second.metadata?.continue);
  t.equal(names((await call("GET", path)).json), "a b c e");
  const selected = (await call("GET", `${path}?limit=1&labelSelector=odd%3Dtrue`)).json;
  t.ok(selected.metadata?.continue);
  t.notOk(selected.metadata?.remainingItemCount, "upstream counts only unselective lists");
  t.equal(names((await call("GET", `${path}?fieldSelector=metadata.name!%3Da`)).json), "b c e");
  const exact = `${path}?resourceVersion=${String(first.metadata?.resourceVersion)}`;
  t.equal(names((await call("GET", `${exact}&resourceVersionMatch=Exact`)).json), "a b c d");
  t.equal(names((await call("GET", `${exact}&resourceVersionMatch=NotOlderThan`)).json), "a b c e");
});

t.test("a page whose revision is gone offers the inconsistent rest", async (t) => {
  const { call, store } = await startApi(t, { logLimit: 3 });
  for (const name of ["a", "b", "c"]) await store.create(ConfigMaps, stored(name));
  const path = `${CORE}/configmaps`;
  const first = (await call("GET", `${path}?limit=1`)).json;
  for (let i = 0; i < 9; i++) {
    await store.mutate(ConfigMaps, "default", "c", (draft) => void (draft.data = { i: String(i) }));
  }
  const gone = await call("GET", `${path}?limit=1&continue=${String(first.metadata?.continue)}`);
  t.equal(gone.status, 410);
  t.match(gone.json, { reason: "Expired", message: /^The provided continue parameter is too old/ });
  const rest = (await call("GET", `${path}?continue=${String(gone.json.metadata?.continue)}`)).json;
  t.match(rest, { items: [{ metadata: { name: "b" } }, { metadata: { name: "c" } }] });
  const watch = await call("GET", `${path}?watch=1&resourceVersion=${String(first.metadata?.resourceVersion)}`);
  t.equal(watch.status, 200);
  t.match(watch.json, {
    type: "ERROR",
    object: { kind: "Status", code: 410, reason: "Expired", message: /^too old resource version: \d+ \(\d+\)$/ },
  });
});

t.test("Jobs by how many pods succeeded", async (t) => {
  const { call, store } = await startApi(t);
  const jobs = "/apis/batch/v1/namespaces/default/jobs";
  const template = { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }] } };
  const selector = { matchLabels: { a: "b" } };
  for (const name of ["none", "one"]) {
    const spec = { manualSelector: true, selector, template: { ...template, metadata: { labels: { a: "b" } } } };
    t.equal((await call("POST", jobs, { body: { metadata: { name }, spec } })).status, 201);
  }
  await store.mutate(Jobs, "default", "one", (job) => void (job.status = { succeeded: 1 }), { subresource: "status" });
  t.equal(names((await call("GET", `${jobs}?fieldSelector=status.successful%3D1`)).json), "one");
  t.equal(names((await call("GET", `${jobs}?fieldSelector=status.successful%3D0`)).json), "none");
});
