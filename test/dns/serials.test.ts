// SOA serials: which change is seen in which zone.
// Cases: upstream plugin/kubernetes/controller_test.go (services, pods, endpoints).
import t from "tap";
import { Zone } from "../../dns/zone.ts";
import type { Service } from "../../model/kinds/core-v1.ts";
import { keyOf } from "../../model/object.ts";
import type { KubeObject } from "../../model/object.ts";
import { service, slice } from "./objects.ts";
import { testChain } from "./plugin-harness.ts";

const COREFILE = `cluster.local {
  kubernetes cluster.local
}
verified.local {
  kubernetes verified.local {
    pods verified
  }
}
zonal.local {
  kubernetes zonal.local {
    zonal
  }
}
clusterset.local {
  kubernetes clusterset.local {
    multicluster clusterset.local
  }
}
example.com {
  kubernetes cluster.local
  k8s_external example.com
}`;
const ZONES = ["cluster.local", "verified.local", "zonal.local", "clusterset.local", "example.com"] as const;
const CLUSTER = ["cluster.local", "verified.local", "zonal.local"];
const EXTERNAL = "example.com";

/** The zones whose serial the second change moves; the first one is there from the start. */
async function moved(before: KubeObject | undefined, after: KubeObject | undefined): Promise<readonly string[]> {
  const zone = new Zone(1);
  const object = before ?? after;
  if (!object) return [];
  const change = { type: object, key: keyOf(object) };
  if (before) zone.apply({ ...change, object: before }, 1000);
  const { ask } = testChain(COREFILE, [], { zone });
  const generation = zone.generation;
  zone.apply({ ...change, object: after }, 2000);
  t.ok(zone.generation > generation, "kept answers are dropped");
  const serials = await Promise.all(
    ZONES.map(async (name) => {
      const [soa] = (await ask(`${name}.`, "SOA")).answers;
      return soa?.type === "SOA" && soa.serial === 2 ? [name] : [];
    }),
  );
  return serials.flat();
}

const web = service("default/web", "127.96.0.12", "test1:80");
const reached = (from: Service, ...externalIPs: readonly string[]): Service => ({ ...from, spec: { ...from.spec, externalIPs } });
const named = (externalName: string): Service => ({ ...web, spec: { type: "ExternalName", externalName } });
const pod = (podIP: string, labels = {}): KubeObject =>
  ({ apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "default", labels }, status: { podIP } }) as KubeObject;
const zoned = (zone: string): KubeObject => {
  const { endpoints, ...rest } = slice("default/web", ["127.244.1.2"]);
  return { ...rest, endpoints: (endpoints ?? []).map((endpoint) => ({ ...endpoint, zone })) } as KubeObject;
};
const imported = (cluster: string, ...ips: readonly string[]): KubeObject => {
  const { metadata, ...rest } = slice("default/web", ips);
  const labels = { "multicluster.kubernetes.io/service-name": "web", "multicluster.kubernetes.io/source-cluster": cluster };
  return { ...rest, metadata: { ...metadata, labels } };
};
const serviceImport = (type: string, port: number, labels = {}): KubeObject =>
  ({
    apiVersion: "multicluster.x-k8s.io/v1alpha1",
    kind: "ServiceImport",
    metadata: { name: "web", namespace: "default", labels },
    spec: { type, ips: ["127.96.1.1"], ports: [{ port }] },
  }) as KubeObject;
const labelled = (object: KubeObject): KubeObject => ({ ...object, metadata: { ...object.metadata, annotations: { a: "b" } } });

const CASES: readonly (readonly [string, KubeObject | undefined, KubeObject | undefined, readonly string[]])[] = [
  ["a Service comes", undefined, web, CLUSTER],
  ["a Service goes", web, undefined, CLUSTER],
  ["a Service with an external address comes", undefined, reached(web, "127.9.0.1"), [...CLUSTER, EXTERNAL]],
  ["a Service with an external address goes", reached(web, "127.9.0.1"), undefined, [...CLUSTER, EXTERNAL]],
  ["another external address", reached(web, "127.9.0.1"), reached(web, "127.9.0.2"), [EXTERNAL]],
  ["a load balancer's address", web, { ...web, status: { loadBalancer: { ingress: [{ ip: "127.9.0.3" }] } } } as Service, [EXTERNAL]],
  ["another external name", named("a.example"), named("b.example"), CLUSTER],
  ["another port", web, service("default/web", "127.96.0.12", "test2:80"), [...CLUSTER, EXTERNAL]],
  ["more ports", web, service("default/web", "127.96.0.12", "test1:80", "test3:81"), [...CLUSTER, EXTERNAL]],
  ["annotations of a Service", web, labelled(web), []],
  ["a pod gets an address", pod(""), pod("127.244.1.9"), ["verified.local"]],
  ["a pod's address changes", pod("127.244.1.9"), pod("127.244.1.10"), ["verified.local"]],
  ["a pod's labels", pod("127.244.1.9"), pod("127.244.1.9", { a: "b" }), []],
  ["an endpoint is ready", slice("default/web", ["!127.244.1.2"]), slice("default/web", ["127.244.1.2"]), CLUSTER],
  ["an endpoint is not ready still", slice("default/web", ["!127.244.1.2"]), slice("default/web", ["!127.244.1.3"]), []],
  ["an endpoint has a name", slice("default/web", ["127.244.1.2"]), slice("default/web", ["127.244.1.2=web-0"]), CLUSTER],
  ["endpoints at a port", slice("default/web", []), slice("default/web", [], { name: "http", port: 80 }), CLUSTER],
  ["annotations of a slice", slice("default/web", ["127.244.1.2"]), labelled(slice("default/web", ["127.244.1.2"])), []],
  ["a slice goes", slice("default/web", ["127.244.1.2"]), undefined, CLUSTER],
  ["an endpoint's zone", zoned("a"), zoned("b"), ["zonal.local"]],
  ["an imported slice comes", undefined, imported("east", "127.244.1.2"), ["clusterset.local"]],
  ["an imported slice's endpoints", imported("east", "127.244.1.2"), imported("east", "127.244.1.3"), ["clusterset.local"]],
  ["an imported slice's cluster", imported("east", "127.244.1.2"), imported("west", "127.244.1.2"), ["clusterset.local"]],
  ["a ServiceImport's port", serviceImport("ClusterSetIP", 80), serviceImport("ClusterSetIP", 81), ["clusterset.local"]],
  ["a ServiceImport's type", serviceImport("ClusterSetIP", 80), serviceImport("Headless", 80), ["clusterset.local"]],
  ["a ServiceImport's labels", serviceImport("ClusterSetIP", 80), serviceImport("ClusterSetIP", 80, { a: "b" }), []],
];
for (const [what, before, after, zones] of CASES) {
  t.test(what, async (t) => t.strictSame(await moved(before, after), zones));
}

t.test("what else a pod says moves nothing", async (t) => {
  const zone = new Zone(1);
  const change = { type: pod(""), key: keyOf(pod("")) };
  zone.apply({ ...change, object: pod("127.244.1.9", { a: "b" }) }, 1000);
  const { generation } = zone;
  zone.apply({ ...change, object: labelled(pod("127.244.1.9", { a: "b" })) }, 2000);
  t.equal(zone.generation, generation);
});
