// Which health check servers there are, and what they count. Rows of k8s pkg/proxy/endpointschangetracker_test.go TestGetLocalEndpointIPs,
// pkg/proxy/healthcheck/healthcheck_test.go TestServer.
import t from "tap";
import { get, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { VirtualClock } from "../../model/clock.ts";
import { Cidr } from "../../model/ip.ts";
import type { Node, Service } from "../../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import type { SocketAddress } from "../../model/ports.ts";
import { compileService, Rules } from "../../proxy/index.ts";
import { localReadyEndpoints } from "../../proxy/health-check.ts";
import { HealthChecks } from "../../proxy/health-checks.ts";
import { NodeViews } from "../../proxy/node-views.ts";
import { proxyConfig } from "./proxy-config.ts";

const node = (name: string, ...ips: readonly string[]): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name },
  spec: {},
  status: { addresses: ips.map((address) => ({ type: "InternalIP", address })) },
});
const service = (name: string, healthCheckNodePort: number): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace: "ns", name },
  spec: {
    type: "LoadBalancer",
    clusterIP: "172.30.0.41",
    clusterIPs: ["172.30.0.41", "fd00:10:96::41"],
    externalTrafficPolicy: "Local",
    healthCheckNodePort,
    ports: [
      { name: "p11", port: 80 },
      { name: "p12", port: 81 },
    ],
  },
});
/** `1.1.1.1@n1`, with `!` when it terminates. */
const slice = (addressType: "IPv4" | "IPv6", ports: readonly string[], ...endpoints: readonly string[]): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { namespace: "ns", name: "s" },
  addressType,
  ports: ports.map((name, i) => ({ name, port: 11 + i })),
  endpoints: endpoints.map((text) => {
    const [ip = "", nodeName = ""] = text.replace("!", "").split("@");
    const terminating = text.endsWith("!");
    return { addresses: [ip], nodeName, conditions: { ready: !terminating, serving: true, terminating } };
  }),
});

const BOTH = ["p11", "p12"];
const ROWS: readonly (readonly [name: string, slices: readonly EndpointSlice[], ipv4: number, ipv6?: number])[] = [
  ["nothing", [], 0],
  ["on another node", [slice("IPv4", BOTH, "1.1.1.1@n2")], 0],
  ["without a node", [slice("IPv4", BOTH, "1.1.1.1@")], 0],
  ["here", [slice("IPv4", BOTH, "1.1.1.1@n1")], 1],
  ["one address with two ports counts once", [slice("IPv4", BOTH, "1.1.1.1@n2", "1.1.1.2@n1")], 1],
  [
    "different addresses behind two ports",
    [slice("IPv4", ["p11"], "2.2.2.2@n1", "2.2.2.22@n1"), slice("IPv4", ["", "p12"], "2.2.2.3@n1")],
    3,
  ],
  ["a terminating one does not count", [slice("IPv4", BOTH, "2.2.2.2@n1", "2.2.2.3@n1!")], 1],
  ["all terminate", [slice("IPv4", BOTH, "2.2.2.2@n1!", "2.2.2.3@n1!")], 0],
  ["each family by itself", [slice("IPv4", BOTH, "1.1.1.1@n1"), slice("IPv6", BOTH, "fd00::1@n1", "fd00::2@n1")], 1, 2],
];
for (const [name, slices, ipv4, ipv6 = 0] of ROWS) {
  const { ports } = compileService(service("svc", 30_000), slices);
  t.equal(localReadyEndpoints(ports, "n1", "IPv4"), ipv4, `IPv4: ${name}`);
  t.equal(localReadyEndpoints(ports, "n1", "IPv6"), ipv6, `IPv6: ${name}`);
}

t.test("a server on each address of each node, that follows the Service", async (t) => {
  const servers = new Map<string, Server>();
  const [rules, nodes] = [new Rules(), new NodeViews()];
  nodes.set("n1", node("n1", "192.168.0.2", "2001:db8::2"));
  nodes.set("n2", node("n2", "192.168.0.3"));
  let healthy = true;
  let nodePortAddresses: readonly Cidr[] = [];
  const at = ({ ip, port }: SocketAddress): string => `${ip} ${port}`;
  const checks = new HealthChecks({
    network: {
      async expose(address, _protocol, backend) {
        if (backend.type === "server") servers.set(at(address), backend.server as Server);
        const close = async (): Promise<void> => void servers.delete(at(address));
        return { address, socket: address, close, [Symbol.asyncDispose]: close };
      },
    },
    clock: new VirtualClock(),
    rules,
    nodes,
    events: { opened: () => undefined, failed: () => undefined },
    config: () => ({ ...proxyConfig, nodePortAddresses }),
    isHealthy: () => healthy,
  });
  t.teardown(() => checks.stop());
  const put = async (name: string, port: number, ...slices: readonly EndpointSlice[]): Promise<readonly string[]> => {
    const table = port === 0 ? undefined : compileService(service(name, port), slices);
    rules.set(`ns/${name}`, table);
    checks.want(`ns/${name}`, table);
    await checks.settle();
    return [...servers.keys()].sort();
  };
  const ask = async (address: string): Promise<string> => {
    const server = servers.get(address);
    if (!server) return "nobody";
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return new Promise((resolve, reject) => {
      get({ host: "127.0.0.1", port, agent: false }, (response) => {
        const { statusCode, headers } = response;
        response.resume().once("end", () => {
          server.close();
          resolve(`${statusCode} ${String(headers["x-load-balancing-endpoint-weight"])}`);
        });
      }).once("error", reject);
    });
  };

  const local = [slice("IPv4", BOTH, "1.1.1.1@n1", "1.1.1.2@n2", "1.1.1.3@n2"), slice("IPv6", BOTH, "fd00::1@n2")];
  t.same(await put("a", 9376, ...local), ["192.168.0.2 9376", "192.168.0.3 9376", "2001:db8::2 9376"]);
  t.equal(await ask("192.168.0.2 9376"), "200 1");
  t.equal(await ask("192.168.0.3 9376"), "200 2");
  t.equal(await ask("2001:db8::2 9376"), "503 0", "no IPv6 endpoint here");
  await put("a", 9376);
  t.equal(await ask("192.168.0.2 9376"), "503 0");
  await put("a", 9376, ...local);
  healthy = false;
  t.equal(await ask("192.168.0.2 9376"), "503 1", "the proxy is behind");
  healthy = true;
  t.same(await put("b", 12_909), [
    "192.168.0.2 12909",
    "192.168.0.2 9376",
    "192.168.0.3 12909",
    "192.168.0.3 9376",
    "2001:db8::2 12909",
    "2001:db8::2 9376",
  ]);
  await put("b", 0);
  t.same(await put("a", 9377, ...local), ["192.168.0.2 9377", "192.168.0.3 9377", "2001:db8::2 9377"], "the port has changed");
  nodePortAddresses = [new Cidr("192.168.0.3/32"), new Cidr("2001:db8:1::/64")];
  t.same(await put("a", 9377, ...local), ["192.168.0.3 9377"], "where NodePorts answer");
  t.same(await put("a", 0), []);
});
