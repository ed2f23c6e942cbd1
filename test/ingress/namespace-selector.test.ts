// --watch-namespace-selector: Ingresses of namespaces that have the labels.
// Facts: ingress-nginx pkg/flags/flags.go, store.go watchedNamespace, test/e2e/settings/namespace_selector.go.
import t from "tap";
import { ignoredBecause } from "../../ingress/routes/ingress-class.ts";
import { DEFAULT_FLAGS } from "../../ingress/config.ts";
import { Events, Ingresses, Namespaces } from "../../model/resources.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { ingress } from "./raw.ts";

const harness = await createHarness(t);

await t.test("by label, live", async (t) => {
  await using world = await harness.start({ flags: ["--watch-namespace-selector=foo=bar"] });
  await world.component.start();
  await world.service("echo");
  const namespace = (name: string, labels: Readonly<Record<string, string>>): Promise<unknown> =>
    world.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name, labels }, spec: {} });
  await namespace("default", { foo: "bar" });
  await namespace("unlabelled", {});
  const redirecting = ingress("other", "other.example", "echo", { "permanent-redirect": "https://there.example" });
  await world.create(Ingresses, ingress("matched", "matched.example", "echo"));
  await world.create(Ingresses, { ...redirecting, metadata: { ...redirecting.metadata, namespace: "unlabelled" } });
  await world.settle();
  const status = async (host: string): Promise<number> => (await ask(world.socket(80), { host })).status;
  const scheduled = (): readonly string[] =>
    world.store
      .list(Events)
      .filter(({ reason }) => reason === "Sync")
      .map(({ involvedObject }) => involvedObject.name ?? "");
  t.strictSame([await status("matched.example"), await status("other.example")], [200, 404]);
  t.strictSame(scheduled(), ["matched"]);
  await world.store.mutate(Namespaces, "", "unlabelled", (edited) => void (edited.metadata.labels = { foo: "bar" }));
  await world.store.mutate(Namespaces, "", "default", (edited) => void (edited.metadata.labels = { foo: "baz" }));
  await world.settle();
  t.strictSame([await status("matched.example"), await status("other.example")], [404, 301]);
  await world.component.stop();
});

t.test("selectors", (t) => {
  const rows: readonly (readonly [selector: string, labels: Readonly<Record<string, string>> | undefined, counts: boolean])[] = [
    ["", undefined, true],
    ["foo", { foo: "x" }, true],
    ["foo", {}, false],
    ["foo", undefined, false],
    ["foo in (a,b),!c", { foo: "b" }, true],
    ["foo in (a,b),!c", { foo: "b", c: "" }, false],
    ["foo!=bar", {}, true],
  ];
  for (const [watchNamespaceSelector, labels, counts] of rows) {
    const flags = { ...DEFAULT_FLAGS, watchNamespaceSelector };
    const facts = {
      classOf: () => ({
        apiVersion: "networking.k8s.io/v1" as const,
        kind: "IngressClass" as const,
        metadata: { name: "nginx" },
        spec: { controller: "k8s.io/ingress-nginx" },
      }),
      namespaceLabels: () => labels,
    };
    const because = ignoredBecause(ingress("web", "web.example", "echo"), flags, facts);
    t.equal(because, counts ? undefined : `namespace default does not match --watch-namespace-selector ${watchNamespaceSelector}`);
  }
  t.end();
});
