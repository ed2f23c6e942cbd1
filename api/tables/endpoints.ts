// `kubectl get endpoints`. Upstream: printers/internalversion printEndpoints.
import { EndpointsResource } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { shortList } from "./format.ts";
import { printer } from "./table.ts";

const hostPort = (ip: string, port: number): string => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);

export const endpointsPrinter = printer(EndpointsResource, ["Name", "Endpoints", "Age"], (endpoints, nowMs) => {
  const subsets = endpoints.subsets ?? [];
  const texts = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0 ? addresses.map(({ ip }) => ip) : ports.flatMap(({ port }) => addresses.map(({ ip }) => hostPort(ip, port))),
  );
  return [
    endpoints.metadata.name,
    subsets.length === 0 ? "<none>" : shortList(texts, ""),
    ageOf(endpoints.metadata.creationTimestamp, nowMs),
  ];
});
