// Endpoints and EndpointSlices. That addresses are no loopback ones is checked with the cluster's blocks, by services/.
// Upstream: pkg/apis/discovery/validation/validation.go, pkg/apis/core/validation/validation.go ValidateEndpoints.
import type { Endpoints } from "../../kinds/core-v1.ts";
import type { Endpoint, EndpointPort, EndpointSlice } from "../../kinds/discovery-v1.ts";
import { ipFamily } from "../../ip.ts";
import { PROTOCOLS } from "./container.ts";
import type { FieldErrors } from "./field-errors.ts";
import { formatErrors, ipErrors, qualifiedNameErrors } from "./names.ts";

const MAX_ENDPOINTS = 1000;
const MAX_PORTS = 20_000;
const MAX_ADDRESSES = 100;
const MAX_HINTS = 8;

export function validateEndpointSlice(slice: EndpointSlice, errors: FieldErrors): void {
  errors.oneOf("addressType", slice.addressType, ["FQDN", "IPv4", "IPv6"]);
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > MAX_ENDPOINTS) tooMany(errors, "endpoints", endpoints.length, MAX_ENDPOINTS);
  else endpoints.forEach((endpoint, i) => validateEndpoint(endpoint, slice.addressType, `endpoints[${i}]`, errors));
  validateSlicePorts(slice.ports ?? [], errors);
}

function tooMany(errors: FieldErrors, field: string, count: number, limit: number): void {
  errors.list.push({ type: "TooMany", field, value: count, detail: `must have at most ${limit} items` });
}

function validateEndpoint({ addresses, hostname, nodeName, hints }: Endpoint, type: string, field: string, errors: FieldErrors): void {
  if (!addresses?.length) errors.required(`${field}.addresses`, "must contain at least 1 address");
  else if (addresses.length > MAX_ADDRESSES) tooMany(errors, `${field}.addresses`, addresses.length, MAX_ADDRESSES);
  (addresses ?? []).forEach((address, i) => errors.invalid(`${field}.addresses[${i}]`, address, ...addressErrors(type, address)));
  if (nodeName !== undefined) errors.invalid(`${field}.nodeName`, nodeName, ...formatErrors("subdomain", nodeName));
  if (hostname !== undefined) errors.invalid(`${field}.hostname`, hostname, ...formatErrors("label", hostname));
  for (const name of ["forZones", "forNodes"] as const) {
    const list = hints?.[name] ?? [];
    if (list.length > MAX_HINTS) tooMany(errors, `${field}.hints.${name}`, list.length, MAX_HINTS);
    else {
      errors.unique(list.map((hint, i) => [`${field}.hints.${name}[${i}].name`, hint.name]));
      list.forEach((hint, i) => errors.invalid(`${field}.hints.${name}[${i}].name`, hint.name, ...formatErrors("labelValue", hint.name)));
    }
  }
}

function addressErrors(type: string, address: string): string[] {
  if (type === "IPv4") return ipFamily(address) === "IPv4" ? [] : ["must be a valid IPv4 address"];
  if (type === "IPv6") return ipFamily(address) === "IPv6" ? [] : ["must be a valid IPv6 address"];
  if (type !== "FQDN") return [];
  const name = address.replace(/\.$/, "");
  const errors = formatErrors("subdomain", name);
  return errors.length > 0 || name.includes(".") ? errors : ["should be a domain with at least two segments separated by dots"];
}

function validateSlicePorts(ports: readonly EndpointPort[], errors: FieldErrors): void {
  if (ports.length > MAX_PORTS) return tooMany(errors, "ports", ports.length, MAX_PORTS);
  const names = new Set<string>();
  ports.forEach(({ name = "", port, protocol, appProtocol }, i) => {
    const field = `ports[${i}]`;
    if (name !== "") errors.invalid(`${field}.name`, name, ...formatErrors("label", name));
    if (names.has(name)) errors.duplicate(`${field}.name`, name);
    names.add(name);
    errors.oneOf(`${field}.protocol`, protocol, PROTOCOLS);
    if (port !== undefined) errors.port(`${field}.port`, port);
    if (appProtocol !== undefined) errors.invalid(`${field}.appProtocol`, appProtocol, ...qualifiedNameErrors(appProtocol));
  });
}

export function validateEndpointSliceUpdate(slice: EndpointSlice, old: EndpointSlice, errors: FieldErrors): void {
  if (slice.addressType !== old.addressType) errors.invalid("addressType", slice.addressType, "field is immutable");
}

export function validateEndpoints({ subsets }: Endpoints, errors: FieldErrors): void {
  (subsets ?? []).forEach((subset, i) => {
    const field = `subsets[${i}]`;
    if (!subset.addresses?.length && !subset.notReadyAddresses?.length) {
      errors.required(field, "must specify `addresses` or `notReadyAddresses`");
    }
    for (const list of ["addresses", "notReadyAddresses"] as const) {
      (subset[list] ?? []).forEach(({ ip, hostname, nodeName }, j) => {
        const path = `${field}.${list}[${j}]`;
        errors.invalid(`${path}.ip`, ip ?? "", ...ipErrors(ip ?? ""));
        if (hostname) errors.invalid(`${path}.hostname`, hostname, ...formatErrors("label", hostname));
        if (nodeName !== undefined) errors.invalid(`${path}.nodeName`, nodeName, ...formatErrors("subdomain", nodeName));
      });
    }
    const ports = subset.ports ?? [];
    ports.forEach(({ name, port, protocol, appProtocol }, j) => {
      const path = `${field}.ports[${j}]`;
      if (ports.length > 1 && !name) errors.required(`${path}.name`);
      else if (name) errors.invalid(`${path}.name`, name, ...formatErrors("label", name));
      errors.port(`${path}.port`, port);
      errors.oneOf(`${path}.protocol`, protocol, PROTOCOLS);
      if (appProtocol !== undefined) errors.invalid(`${path}.appProtocol`, appProtocol, ...qualifiedNameErrors(appProtocol));
    });
  });
}
