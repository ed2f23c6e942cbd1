// What a controller tells of its work: Sync Events on Ingresses, RELOAD Events on its pod, and its log.
// Facts: ingress-nginx internal/ingress/controller/store/store.go, controller.go syncIngress, nginx.go OnUpdate;
// test/e2e/settings/{disable_sync_events,configmap_change}.go.
import t from "tap";
import { ConfigMaps, Events, Ingresses } from "../../model/resources.ts";
import { createHarness, type World } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);

const told = (world: World, reason: string): readonly string[] =>
  world.store
    .list(Events)
    .filter((event) => event.reason === reason)
    .map(({ type, involvedObject, message, count }) => `${type} ${involvedObject.kind} ${involvedObject.name} ${message} x${count}`);

async function start(flags: readonly string[] = []): Promise<World> {
  const world = await harness.start({ flags });
  await world.component.start();
  await world.service("echo");
  return world;
}

await t.test("an Ingress is scheduled at its creation and at each change", async (t) => {
  await using world = await start();
  await addIngress(world, ingress("web", "web.example", "echo"));
  t.strictSame(told(world, "Sync"), ["Normal Ingress web Scheduled for sync x1"]);
  await world.store.mutate(Ingresses, "default", "web", (edited) => void (edited.metadata.annotations = { a: "b" }));
  await world.settle();
  t.strictSame(told(world, "Sync"), ["Normal Ingress web Scheduled for sync x2"]);
  const other = ingress("other", "other.example", "echo");
  await addIngress(world, { ...other, spec: { ...other.spec, ingressClassName: "else" } });
  await addIngress(world, ingress("bad", "bad.example", "echo", {}, "/{alias /etc/passwd;}"));
  t.strictSame(told(world, "Sync"), ["Normal Ingress web Scheduled for sync x2"], "not those that do not count");
  await world.component.stop();
});

await t.test("--disable-sync-events", async (t) => {
  await using world = await start(["--disable-sync-events=true"]);
  await addIngress(world, ingress("web", "web.example", "echo"));
  t.strictSame(told(world, "Sync"), []);
  await world.component.stop();
});

await t.test("a configuration that changes is a reload, endpoints are none", async (t) => {
  await using world = await start();
  const reloads = (): number =>
    world.log.join("").match(/^I\d{4} \d\d:\d\d:\d\d\.\d{6} +7 controller\.go:231\] "Backend successfully reloaded"$/gm)?.length ?? 0;
  await world.settle();
  const before = reloads();
  t.ok(before > 0, "the first");
  await world.scale("echo", 2);
  await world.settle();
  t.equal(reloads(), before);
  await addIngress(world, ingress("web", "web.example", "echo"));
  t.equal(reloads(), before + 1);
  await world.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "ingress-nginx", name: "ingress-nginx-controller" },
    data: { "whitelist-source-range": "1.1.1.1" },
  });
  await world.settle();
  t.equal(reloads(), before + 2);
  t.match(told(world, "RELOAD"), [/^Normal Pod controller-\S+ NGINX reload triggered due to a change in configuration x\d$/]);
  await world.component.stop();
});
