// A Service's peers for the Ingress: ports by number, target port and name, slices, ExternalNames (endpointslices_test.go, controller.go).
import t from "tap";
import { compileUpstream } from "../../ingress/routes/upstreams.ts";
import type { Service } from "../../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";

type Ports = NonNullable<Service["spec"]["ports"]>;

const service = (ports: Ports, more: Partial<Service["spec"]> = {}): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace: "default", name: "web" },
  spec: { ports, ...more },
});
const slice = (ports: NonNullable<EndpointSlice["ports"]> | undefined, ...endpoints: readonly [string, boolean?][]): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { namespace: "default", name: "web-1" },
  addressType: "IPv4",
  ...(ports ? { ports } : {}),
  endpoints: endpoints.map(([address, ready]) => ({ addresses: [address], ...(ready === undefined ? {} : { conditions: { ready } }) })),
});

const http = { name: "http", port: 80, targetPort: 8080, protocol: "TCP" as const };
const bare = { port: 80, targetPort: 8080, protocol: "TCP" as const };
const named = { name: "http", port: 80, targetPort: "web", protocol: "TCP" as const };
const external = (externalName: string, ports: Ports = []): Service => service(ports, { type: "ExternalName", externalName });

const ROWS: readonly (readonly [
  what: string,
  service: Service | undefined,
  port: string,
  slices: readonly EndpointSlice[],
  peers: string,
])[] = [
  ["no Service", undefined, "80", [], "Service default/web does not exist"],
  ["by number", service([http]), "80", [slice([{ name: "http", port: 8080 }], ["127.244.0.1"])], "127.244.0.1:8080"],
  ["by target port", service([http]), "8080", [slice([{ name: "http", port: 8080 }], ["127.244.0.1"])], "127.244.0.1:8080"],
  ["by name", service([http]), "http", [slice([{ name: "http", port: 8080 }], ["127.244.0.1"])], "127.244.0.1:8080"],
  ["by named target port", service([named]), "web", [slice([{ name: "http", port: 8081 }], ["127.244.0.1"])], "127.244.0.1:8081"],
  ["no such port", service([http]), "81", [], "Service default/web has no port 81: it has http (80)"],
  [
    "a port without a name takes the slice's",
    service([bare]),
    "80",
    [slice([{ name: "other", port: 9090 }], ["127.244.0.1"])],
    "127.244.0.1:9090",
  ],
  [
    "another name in the slice: the number of the target port",
    service([http]),
    "80",
    [slice([{ name: "other", port: 9090 }], ["127.244.0.1"])],
    "127.244.0.1:8080",
  ],
  [
    "another name, and no number",
    service([named]),
    "80",
    [slice([{ name: "other", port: 9090 }], ["127.244.0.1"])],
    "Service default/web has no ready endpoints on port 80",
  ],
  ["a slice without ports: the number of the target port", service([http]), "80", [slice(undefined, ["127.244.0.1"])], "127.244.0.1:8080"],
  [
    "UDP is no port of ours",
    service([bare]),
    "80",
    [slice([{ port: 53, protocol: "UDP" }], ["127.244.0.1"])],
    "Service default/web has no ready endpoints on port 80",
  ],
  [
    "ready, not ready, unknown",
    service([bare]),
    "80",
    [slice([{ port: 80 }], ["127.244.0.1", true], ["127.244.0.2", false], ["127.244.0.3"])],
    "127.244.0.1:80 127.244.0.3:80",
  ],
  [
    "none ready",
    service([bare]),
    "80",
    [slice([{ port: 80 }], ["127.244.0.2", false])],
    "Service default/web has no ready endpoints on port 80 (1 not ready)",
  ],
  [
    "two slices, one address",
    service([bare]),
    "80",
    [slice([{ port: 80 }], ["127.244.0.1"]), slice([{ port: 80 }], ["127.244.0.1"], ["127.244.0.2"])],
    "127.244.0.1:80 127.244.0.2:80",
  ],
  ["ExternalName without ports: the rule's number", external("a.example."), "8080", [], "a.example:8080"],
  ["ExternalName with a target port", external("a.example", [http]), "80", [], "a.example:8080"],
  ["ExternalName, a port by name", external("a.example", [http]), "http", [], "a.example:8080"],
  ["ExternalName, a port by name with a name as target: its number", external("a.example", [named]), "http", [], "a.example:80"],
  ["ExternalName, a port by number with a name as target: none", external("a.example", [named]), "80", [], "a.example:0"],
  ["ExternalName, by target port: none", external("a.example", [named]), "web", [], "a.example:0"],
  ["ExternalName, no such port", external("a.example", [http]), "other", [], "a.example:0"],
  ["ExternalName, another number", external("a.example", [http]), "81", [], "a.example:81"],
  ["ExternalName localhost", external("localhost"), "80", [], "ExternalName Service default/web names a loopback address"],
  ["ExternalName 127.0.0.1", external("127.0.0.1"), "80", [], "ExternalName Service default/web names a loopback address"],
  ["ExternalName that is no name", external("a_b.example"), "80", [], "ExternalName Service default/web: a_b.example is no DNS name"],
];

for (const [what, object, port, slices, peers] of ROWS)
  t.test(what, async (t) => {
    const found = compileUpstream({ namespace: "default", service: "web", port, upstream: `default-web-${port}` }, object, slices, false);
    t.equal(found.type === "peers" ? found.peers.map(({ id }) => id).join(" ") : found.reason, peers);
  });

t.test("--disable-svc-external-name", async (t) => {
  const found = compileUpstream(
    { namespace: "default", service: "web", port: "80", upstream: "x" },
    external("a.example"),
    [],
    false,
    false,
  );
  t.match(found, { type: "none", reason: /--disable-svc-external-name/ });
});
