// What the DNS tests share: objects from short text, a chain over a zone, and queries.
import { createChain } from "../../dns/chain.ts";
import type { Chain } from "../../dns/chain.ts";
import type { Edns, Query, Reply } from "../../dns/message.ts";
import { Metrics } from "../../dns/metrics.ts";
import type { PluginEnv } from "../../dns/plugin.ts";
import { typeCode } from "../../dns/record.ts";
import { compileZone } from "../../dns/zone.ts";
import type { Zone } from "../../dns/zone.ts";
import { VirtualClock } from "../../model/clock.ts";
import type { Clock } from "../../model/clock.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";
import type { Namespace, Service } from "../../model/kinds/core-v1.ts";
import type { KubeObject } from "../../model/object.ts";
import type { SocketAddress } from "../../model/ports.ts";
import { seededRandom } from "../../model/random.ts";

export const namespace = (name: string): Namespace => ({ apiVersion: "v1", kind: "Namespace", metadata: { name }, spec: {} });

/** `service("default/web", "127.96.0.12", "http:80/TCP")`; ip "None" is headless. */
export function service(key: string, ip: string, ...ports: readonly string[]): Service {
  const [ns = "", name = ""] = key.split("/");
  const parsed = ports.map((text) => {
    const [, portName = "", port = "", protocol = "TCP"] = /^(?:([^:]*):)?(\d+)(?:\/(\w+))?$/.exec(text) ?? [];
    return { name: portName, port: Number(port), protocol: protocol === "UDP" ? ("UDP" as const) : ("TCP" as const) };
  });
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: ns },
    spec: { type: "ClusterIP", clusterIP: ip, clusterIPs: [ip], ports: parsed },
  };
}

/** Endpoints of a Service: "127.244.1.2", "127.244.1.3=web-0" (hostname), "!127.244.1.4" (not ready). */
export function slice(key: string, endpoints: readonly string[], port?: { name: string; port: number }): EndpointSlice {
  const [ns = "", name = ""] = key.split("/");
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `${name}-slice`, namespace: ns, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    ports: port ? [{ ...port, protocol: "TCP" }] : [],
    endpoints: endpoints.map((text) => {
      const [, not, ip = "", hostname] = /^(!?)([^=]+)(?:=(.*))?$/.exec(text) ?? [];
      return { addresses: [ip], conditions: { ready: not === "" }, ...(hostname === undefined ? {} : { hostname }) };
    }),
  };
}

export interface TestChain {
  readonly chain: Chain;
  readonly zone: Zone;
  readonly lines: readonly string[];
  ask(name: string, type: string, options?: Partial<Query>): Promise<Reply>;
}

/** What a server answers to a message, whatever the connection. */
export type Exchange = (server: SocketAddress, message: Buffer, how: { readonly tcp: boolean }) => Promise<Buffer>;

const connections =
  (exchange: Exchange): PluginEnv["connect"] =>
  async (server, { tcp }) => ({ ended: false, exchange: (message) => exchange(server, message, { tcp }), close: () => undefined });

/** A chain of this Corefile over these objects, on a clock of its own. */
export function testChain(
  corefile: string,
  objects: Iterable<KubeObject>,
  options: {
    clock?: Clock;
    serverIPs?: readonly string[];
    files?: Readonly<Record<string, string>>;
    zone?: Zone;
    exchange?: Exchange;
    connect?: PluginEnv["connect"];
    metrics?: Metrics;
  } = {},
): TestChain {
  const clock = options.clock ?? new VirtualClock();
  const zone = options.zone ?? compileZone(objects, 3000);
  const lines: string[] = [];
  const chain = createChain(corefile, {
    zone,
    clock,
    random: seededRandom("dns-test"),
    serverIPs: options.serverIPs ?? ["127.244.0.2"],
    hostname: "coredns-0",
    metrics: options.metrics ?? new Metrics(),
    connect: options.connect ?? connections(options.exchange ?? (() => Promise.reject(new Error("no network")))),
    readFile: (path) => options.files?.[path],
    log: (line) => void lines.push(line),
    fatal: (line) => void lines.push(line),
  });
  return { chain, zone, lines, ask: async (name, type, more) => chain.serve(query(name, type, more)) };
}

export function query(name: string, type: string, more: Partial<Query> = {}): Query {
  return {
    id: 1,
    opcode: 0,
    recursionDesired: true,
    checkingDisabled: false,
    authenticData: false,
    question: { name, type: typeCode(type) ?? 0, class: 1 },
    name: name.toLowerCase(),
    edns: undefined as Edns | undefined,
    transport: "udp",
    client: { ip: "127.244.1.9", port: 40_000 },
    sizeBytes: 40,
    ...more,
  };
}
