// How the Ingress's routes grow: 10 and 1,000 Ingresses of ten paths each, read from a real store; no sockets.
import { nextTurn, realClock } from "../model/clock.ts";
import { createIds } from "../model/ids.ts";
import type { Ingress } from "../model/kinds/networking-v1.ts";
import { seededRandom } from "../model/random.ts";
import { IngressClasses, Ingresses } from "../model/resources.ts";
import { DEFAULT_FLAGS, findLocation, findServer } from "../ingress/index.ts";
import { RoutesFeed } from "../ingress/routes/routes-feed.ts";
import { createStore } from "../store/index.ts";
import { figure, summarise } from "./measure.ts";

const PATHS = 10;
const MATCHES = 200_000;
const CHANGES = 20;

interface Figures {
  readonly compileMs: number;
  readonly matchNs: number;
  readonly changeMs: number;
}

export async function benchIngressScale(): Promise<string> {
  await measure(100);
  const [few, many] = [await measure(10), await measure(1000)];
  const row = (what: string, value: (figures: Figures) => number, unit: string): string =>
    `| ${what} | ${figure(value(few))} ${unit} | ${figure(value(many))} ${unit} | ${(value(many) / value(few)).toFixed(2)} |`;
  return [
    "### Routes: 10 and 1,000 Ingresses of ten paths each",
    "",
    "| what | 10 | 1,000 | ratio |",
    "| --- | --- | --- | --- |",
    row("server and location of a request, median", ({ matchNs }) => matchNs, "ns"),
    row("full compile, from the store", ({ compileMs }) => compileMs, "ms"),
    row("one change live, median", ({ changeMs }) => changeMs, "ms"),
    "",
  ].join("\n");
}

async function measure(count: number): Promise<Figures> {
  const store = await createStore({ clock: realClock, ids: createIds(seededRandom(1)) });
  await store.create(IngressClasses, {
    apiVersion: "networking.k8s.io/v1",
    kind: "IngressClass",
    metadata: { name: "nginx" },
    spec: { controller: "k8s.io/ingress-nginx" },
  });
  for (let i = 0; i < count; i++) await store.create(Ingresses, ingress(i, 0));
  const feed = new RoutesFeed(DEFAULT_FLAGS, store, realClock, 0);
  const began = realClock.monotonic();
  await using held = feed.acquire("bench");
  void held;
  await feed.synced;
  const compileMs = realClock.monotonic() - began;
  const random = seededRandom(2);
  const asked = Array.from({ length: 1000 }, () => [`host-${random.int(count)}.example`, `/path/${random.int(PATHS)}/below/it`] as const);
  const matches = Array.from({ length: 5 }, () => {
    const from = realClock.monotonic();
    for (let i = 0; i < MATCHES; i++) {
      const [host = "", path = ""] = asked[i % asked.length] ?? [];
      if (findLocation(findServer(feed.table, host), path).type !== "location") throw new Error(`${host}${path} has no location`);
    }
    return ((realClock.monotonic() - from) * 1e6) / MATCHES;
  });
  const changes: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const name = `shop-${random.int(count)}`;
    const changed = Promise.withResolvers<void>();
    using subscription = feed.onChange(() => changed.resolve());
    void subscription;
    const from = realClock.monotonic();
    await store.mutate(Ingresses, "default", name, (edited) => void (edited.metadata.annotations = { [`${PREFIX}app-root`]: `/${i}` }));
    await changed.promise;
    changes.push(realClock.monotonic() - from);
    await nextTurn();
  }
  await store.close();
  return { compileMs, matchNs: summarise("", matches).median, changeMs: summarise("", changes).median };
}

const PREFIX = "nginx.ingress.kubernetes.io/";

function ingress(index: number, service: number): Ingress {
  const paths = Array.from({ length: PATHS }, (_, path) => ({
    path: `/path/${path}`,
    pathType: "Prefix",
    backend: { service: { name: `web-${service}`, port: { number: 80 } } },
  }));
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { namespace: "default", name: `shop-${index}`, annotations: { [`${PREFIX}proxy-body-size`]: "8m" } },
    spec: { ingressClassName: "nginx", rules: [{ host: `host-${index}.example`, http: { paths } }] },
  };
}
