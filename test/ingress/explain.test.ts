// The confusions that users have, each with the words that clear them up; and the metrics and health of a pod.
import t from "tap";
import { IngressClasses } from "../../model/resources.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();
await world.service("web");
await world.service("empty", { replicas: 0 });
await world.create(IngressClasses, {
  apiVersion: "networking.k8s.io/v1",
  kind: "IngressClass",
  metadata: { name: "other" },
  spec: { controller: "example.com/other" },
});
const foreign = ingress("foreign", "foreign.example", "web");
const secured = ingress("secured", "secured.example", "web");
await addIngress(
  world,
  ingress("rewriting", "regex.example", "web", { "rewrite-target": "/$1" }, "/api/(.*)", "ImplementationSpecific"),
  ingress("plain", "regex.example", "web", {}, "/foo", "Exact"),
  ingress("missing", "missing.example", "nothing"),
  ingress("empty", "empty.example", "empty"),
  {
    ...ingress("port", "port.example", "web"),
    spec: {
      ingressClassName: "nginx",
      rules: [
        {
          host: "port.example",
          http: { paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "web", port: { name: "metrics" } } } }] },
        },
      ],
    },
  },
  { ...foreign, spec: { ...foreign.spec, ingressClassName: "other" } },
  { ...secured, spec: { ...secured.spec, tls: [{ hosts: ["secured.example"], secretName: "absent" }] } },
  ingress("limited", "limited.example", "web", { "whitelist-source-range": "10.0.0.0/8" }),
  ingress("main", "canary.example", "web"),
  ingress("canary", "canary.example", "empty", { canary: "true", "canary-by-header": "X-Canary" }),
);

async function explain(to: string): Promise<string> {
  const url = new URL(to);
  const port = url.protocol === "https:" ? 443 : 80;
  const answer = await world.diagnostics.explain?.({
    from: { kind: "host", ip: "127.0.0.1" },
    to,
    host: url.hostname,
    port,
    protocol: "TCP",
  });
  return answer?.lines.join("\n") ?? "";
}

const rows: readonly (readonly [what: string, to: string, says: RegExp])[] = [
  ["regex mode: who switched it on", "http://regex.example/foobar", /switched on by rewrite-target of default\/rewriting/],
  ["an Exact path matches more in regex mode", "http://regex.example/foobar", /location ~\* "\^\/foo": matches, the first in order wins/],
  ["why earlier locations failed", "http://regex.example/foobar", /location ~\* "\^\/api\/\(\.\*\)": does not match/],
  ["what a rewrite makes", "http://regex.example/api/x%20y?z", /the pod sees GET \/x%20y\?z/],
  ["503: no Service", "http://missing.example/", /answers 503: Service default\/nothing does not exist/],
  ["503: no ready endpoints", "http://empty.example/", /answers 503: Service default\/empty has no ready endpoints/],
  ["503: no such port", "http://port.example/", /answers 503: Service default\/web has no port metrics: it has http \(80\)/],
  ["308 to https", "http://secured.example/a", /answers 308: ssl-redirect: default\/secured has a tls section/],
  ["the fake certificate", "https://secured.example/a", /Secret default\/absent does not exist: the fake certificate/],
  ["403: the address that is seen", "http://limited.example/", /answers 403: 127\.0\.0\.1 is not in whitelist-source-range/],
  ["a canary that is not chosen", "http://canary.example/", /canary default\/canary: not chosen, no header, cookie or weight asks for it/],
  ["no location, no fall-through", "http://canary.example/x", /goes to Service default\/web port 80, as Ingress default\/main says/],
];
for (const [what, to, says] of rows) {
  await t.test(what, async (t) => {
    t.match(await explain(to), says);
  });
}

await t.test("an Ingress of another class is named with its reason", async (t) => {
  t.match(
    world.diagnostics.dump?.({}),
    /# default\/foreign is ignored: IngressClass other belongs to controller example\.com\/other, not k8s\.io\/ingress-nginx/,
  );
});

await t.test("10254 answers health and metrics", async (t) => {
  t.equal((await ask(world.socket(10254), { path: "/healthz" })).body.toString(), "ok");
  t.match(
    (await ask(world.socket(10254), { path: "/metrics" })).body.toString(),
    /nginx_ingress_controller_config_last_reload_successful\{[^}]*\} 1\n/,
  );
});
