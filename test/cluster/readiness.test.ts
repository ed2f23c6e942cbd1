// Waiting for a cluster to be ready.
import t from "tap";
import { unready, waitUntilReady } from "../../cluster/readiness.ts";
import { Pods } from "../../model/resources.ts";
import { pod, testStore } from "../support/store.ts";

t.test("what is not ready, and who gives up waiting", async (t) => {
  const { store } = await testStore();
  await waitUntilReady(store);
  await store.create(Pods, pod("a"));
  t.strictSame(unready(store), ["pod default/a (Pending)"]);
  await t.rejects(waitUntilReady(store, { timeoutMs: 1 }), { message: "not ready after 0.001 s: pod default/a (Pending)" });
  await t.rejects(waitUntilReady(store, { timeoutMs: 60_000, signal: AbortSignal.abort() }), { name: "AbortError" }, "before it began");
  const abort = new AbortController();
  const waiting = t.rejects(waitUntilReady(store, { timeoutMs: 60_000, signal: abort.signal }), { name: "AbortError" });
  abort.abort();
  await waiting;
});
