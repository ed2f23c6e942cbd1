// ServiceCIDR and IPAddress objects: kept by the cluster, checked, and honoured by allocation.
import t from "tap";
import type { Test } from "tap";
import { VirtualClock } from "../../model/clock.ts";
import { StatusError } from "../../model/errors.ts";
import { createIds } from "../../model/ids.ts";
import type { Service } from "../../model/kinds/core-v1.ts";
import type { IPAddress, ServiceCIDR } from "../../model/kinds/networking-v1.ts";
import { seededRandom } from "../../model/random.ts";
import { IPAddresses, ServiceCIDRs, Services } from "../../model/resources.ts";
import { createServiceControllers, serviceAdmission } from "../../services/index.ts";
import { createStore, type Store } from "../../store/index.ts";

async function start(t: Test, serviceCIDRs: readonly string[] = ["127.96.0.0/16"]): Promise<Store> {
  const clock = new VirtualClock();
  const random = seededRandom("addresses");
  const store = await createStore({ clock, ids: createIds(random) });
  store.admit(...serviceAdmission({ serviceCIDRs, random }));
  const controllers = createServiceControllers({ store, clock, serviceCIDRs });
  await controllers.start();
  t.teardown(async () => {
    await controllers.stop();
    await store.close();
  });
  await store.settle();
  return store;
}
const service = (name: string, clusterIP?: string): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "default" },
  spec: { selector: { app: "web" }, ports: [{ port: 80 }], ...(clusterIP === undefined ? {} : { clusterIP }) },
});
const cidr = (name: string, ...cidrs: readonly string[]): ServiceCIDR => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "ServiceCIDR",
  metadata: { name },
  spec: { cidrs },
});
const address = (name: string, spec: IPAddress["spec"]): IPAddress => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "IPAddress",
  metadata: { name },
  spec,
});
const refusal = async (write: Promise<unknown>): Promise<string> =>
  write.then(
    () => "accepted",
    (error: unknown) => (error instanceof StatusError ? error.message : String(error)),
  );

t.test("ServiceCIDR kubernetes is there at start, ready, and comes back", async (t) => {
  const store = await start(t, ["127.96.0.0/16", "fd00:10:96::/112"]);
  const object = store.get(ServiceCIDRs, "", "kubernetes");
  t.same(object?.spec.cidrs, ["127.96.0.0/16", "fd00:10:96::/112"]);
  t.match(object?.status?.conditions, [{ type: "Ready", status: "True", message: "Kubernetes Service CIDR is ready" }]);
  await store.delete(ServiceCIDRs, "", "kubernetes");
  await store.settle();
  const again = store.get(ServiceCIDRs, "", "kubernetes");
  t.ok(again && again.metadata.uid !== object?.metadata.uid, "made anew");
});

t.test("an IPAddress follows each ClusterIP", async (t) => {
  const store = await start(t);
  await store.create(Services, service("web", "127.96.0.50"));
  await store.create(Services, { ...service("none", "None") });
  await store.settle();
  const names = (): readonly string[] => store.list(IPAddresses).map(({ metadata }) => metadata.name);
  t.same(names(), ["127.96.0.50"]);
  t.match(store.get(IPAddresses, "", "127.96.0.50"), {
    metadata: { labels: { "ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io" } },
    spec: { parentRef: { group: "", resource: "services", namespace: "default", name: "web" } },
  });
  await store.delete(IPAddresses, "", "127.96.0.50");
  await store.settle();
  t.same(names(), ["127.96.0.50"], "deleted by hand: made again");
  await store.delete(Services, "default", "web");
  t.equal(await refusal(store.create(Services, service("heir", "127.96.0.50"))), "accepted", "free at once");
  await store.settle();
  t.equal(store.get(IPAddresses, "", "127.96.0.50")?.spec.parentRef?.name, "heir");
  await store.delete(Services, "default", "heir");
  await store.settle();
  t.same(names(), []);
});

t.test("an IPAddress made by hand reserves its address", async (t) => {
  const store = await start(t, ["127.96.0.0/29"]);
  await store.create(IPAddresses, address("127.96.0.2", { parentRef: { group: "example.com", resource: "widgets", name: "w" } }));
  t.match(await refusal(store.create(Services, service("web", "127.96.0.2"))), "provided IP is already allocated");
  const given: (string | undefined)[] = [];
  for (let i = 0; i < 5; i++) given.push((await store.create(Services, service(`s${i}`))).spec?.clusterIP);
  t.same(given.sort(), ["127.96.0.1", "127.96.0.3", "127.96.0.4", "127.96.0.5", "127.96.0.6"]);
  t.match(await refusal(store.create(Services, service("over"))), "failed to allocate a serviceIP: range is full");
});

t.test("a ServiceCIDR in use is held back", async (t) => {
  const store = await start(t);
  await store.create(ServiceCIDRs, cidr("extra", "127.96.4.0/24"));
  await store.create(Services, service("web", "127.96.0.50"));
  await store.settle();
  await store.delete(ServiceCIDRs, "", "extra");
  await store.settle();
  t.equal(store.get(ServiceCIDRs, "", "extra"), undefined, "its addresses lie in kubernetes too");
  await store.delete(ServiceCIDRs, "", "kubernetes");
  await store.settle();
  t.match(store.get(ServiceCIDRs, "", "kubernetes")?.status?.conditions, [{ type: "Ready", status: "False", reason: "Terminating" }]);
  await store.delete(Services, "default", "web");
  await store.settle();
  t.match(store.get(ServiceCIDRs, "", "kubernetes")?.status?.conditions, [{ type: "Ready", status: "True" }], "gone and made anew");
});

t.test("refusals", async (t) => {
  const store = await start(t);
  const rows: readonly (readonly [Promise<unknown>, RegExp])[] = [
    [store.create(ServiceCIDRs, cidr("a")), /spec\.cidrs: Required value: at least one CIDR required/],
    [
      store.create(ServiceCIDRs, cidr("b", "10.0.0.0/8")),
      /spec\.cidrs\[0\]: Invalid value: "10\.0\.0\.0\/8": must lie in 127\.96\.0\.0\/16: this cluster's network/,
    ],
    [store.create(ServiceCIDRs, cidr("c", "127.96.0.5/24")), /must be in canonical form \("127\.96\.0\.0\/24"\)/],
    [store.create(ServiceCIDRs, cidr("d", "127.96.0.0/24", "127.96.1.0/24")), /no more than one IP for each IP family/],
    [store.create(ServiceCIDRs, cidr("e", "nonsense")), /must be a valid CIDR value/],
    [
      store.create(IPAddresses, address("127.96.0.300", { parentRef: { resource: "services", name: "x" } })),
      /metadata\.name: Invalid value/,
    ],
    [store.create(IPAddresses, address("127.96.0.3", {})), /spec\.parentRef: Required value/],
    [store.update(ServiceCIDRs, cidr("kubernetes", "127.96.0.0/24")), /field is immutable/],
  ];
  for (const [write, pattern] of rows) t.match(await refusal(write), pattern);
});
