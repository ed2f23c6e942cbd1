// Answers on healthCheckNodePort: does this node have a ready endpoint of the Service? External load balancers ask it.
// Upstream: pkg/proxy/healthcheck/service_health.go.
import { createServer, type Server } from "node:http";
import type { IpFamily } from "../model/ip.ts";
import type { ServicePort } from "./service-port.ts";

/** Ready endpoints on a node of one family, terminating ones not counted. */
export function localReadyEndpoints(ports: readonly ServicePort[], node: string, family: IpFamily): number {
  const ips = new Set<string>();
  for (const port of ports.filter((each) => each.family === family))
    for (const endpoint of port.endpoints) if (endpoint.ready && endpoint.node === node) ips.add(endpoint.ip);
  return ips.size;
}

export interface HealthAnswer {
  readonly status: 200 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function healthAnswer(
  service: { readonly namespace: string; readonly name: string },
  localEndpoints: number,
  proxyHealthy: boolean,
): HealthAnswer {
  const { namespace, name } = service;
  return {
    status: localEndpoints > 0 && proxyHealthy ? 200 : 503,
    headers: {
      "Content-Type": "application/json",
      "X-Content-Type-Options": "nosniff",
      "X-Load-Balancing-Endpoint-Weight": String(localEndpoints),
    },
    body: JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: proxyHealthy }, undefined, "\t"),
  };
}

/** A server that answers every request with `answer()` of that moment. */
export function healthServer(answer: () => HealthAnswer): Server {
  return createServer((_request, response) => {
    const { status, headers, body } = answer();
    response.writeHead(status, { ...headers, "Content-Length": Buffer.byteLength(body) }).end(body);
  });
}
