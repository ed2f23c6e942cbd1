// A zone of 10,000 Services and 100,000 endpoints: how long until it serves, the longest pause of the event loop meanwhile,
// and how long until one change is in the answers. A process of its own, for each measurement anew.
import "../cli/v8-flags.ts";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { ZoneFeed } from "../dns/index.ts";
import { nextTurn, realClock } from "../model/clock.ts";
import { createIds } from "../model/ids.ts";
import type { EndpointSlice } from "../model/kinds/discovery-v1.ts";
import { seededRandom } from "../model/random.ts";
import { EndpointSlices, Namespaces, Services } from "../model/resources.ts";
import { createStore } from "../store/index.ts";
import { COUNT, namespaceOf, namespaces, serviceOf } from "./dns-names.ts";

const ENDPOINTS = 10;
const CHANGES = 50;

const endpointsOf = (index: number, changed: number): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name: `service-${index}-x`, namespace: namespaceOf(index), labels: { "kubernetes.io/service-name": `service-${index}` } },
  addressType: "IPv4",
  ports: [{ name: "http", port: 8080, protocol: "TCP" }],
  endpoints: Array.from({ length: ENDPOINTS }, (_, i) => ({
    addresses: [`127.${200 + (index >> 13)}.${(index >> 5) & 255}.${((index & 31) * 8 + i + changed) & 255}`],
    conditions: { ready: true },
  })),
});

const store = await createStore({ clock: realClock, ids: createIds(seededRandom("zone")) });
for (const name of namespaces()) await store.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name }, spec: {} });
for (let index = 0; index < COUNT; index++) {
  await store.create(Services, serviceOf(index));
  await store.create(EndpointSlices, endpointsOf(index, 0));
}
await nextTurn();

const feed = new ZoneFeed({ store, clock: realClock, delayMs: 0 });
const delays = monitorEventLoopDelay({ resolution: 1 });
delays.enable();
await new Promise((done) => setTimeout(done, 20));
delays.reset();
const start = realClock.monotonic();
const held = feed.acquire();
await feed.synced;
const loadMs = realClock.monotonic() - start;
await new Promise((done) => setTimeout(done, 20));
const longestPauseMs = delays.max / 1e6;
delays.disable();

const changeMs: number[] = [];
for (let change = 1; change <= CHANGES; change++) {
  const index = change * 97;
  const before = feed.zone.generation;
  const begun = realClock.monotonic();
  const seen = feed.changed();
  await store.update(EndpointSlices, endpointsOf(index, change));
  await seen;
  changeMs.push(realClock.monotonic() - begun);
  if (feed.zone.generation === before) throw new Error("the change is not visible");
}
await held[Symbol.asyncDispose]();
await store.close();
process.send?.({ loadMs, longestPauseMs, changeMs });
