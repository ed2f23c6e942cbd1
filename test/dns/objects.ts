// Objects of the DNS tests from short text.
import type { Namespace, Pod, Service } from "../../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../../model/kinds/discovery-v1.ts";

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

/** `externalName("default/api", "api.example.com")` */
export function externalName(key: string, target: string): Service {
  const [namespace = "", name = ""] = key.split("/");
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec: { type: "ExternalName", externalName: target } };
}

/** A pod default/client at the address that queries of the tests come from. */
export function clientPod(labels: Readonly<Record<string, string>> = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "client", namespace: "default", labels },
    spec: { containers: [] },
    status: { podIP: "127.244.1.9" },
  };
}

export const WEB = "web.default.svc.cluster.local.";

/** Namespace default with Service web, and the headless db: one ready endpoint by address, one by name, and one that is not ready. */
export const webAndDb = [
  namespace("default"),
  service("default/web", "127.96.0.12", "http:80/TCP"),
  service("default/db", "None"),
  slice("default/db", ["127.244.1.2", "127.244.1.3=db-0", "!127.244.1.4=db-1"], { name: "sql", port: 5432 }),
];
