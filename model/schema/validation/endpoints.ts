// Endpoints and EndpointSlices. That addresses are no loopback ones is checked with the cluster's blocks, by services/.
// Upstream: pkg/apis/discovery/validation/validation.go, pkg/apis/core/validation/validation.go ValidateEndpoints.
import type { Endpoints } from "../../kinds/core-v1.ts";
import type { EndpointPort, EndpointSlice } from "../../kinds/discovery-v1.ts";
import { ipFamily } from "../../ip.ts";
import { PROTOCOLS } from "./container.ts";
import type { FieldErrors } from "./field-errors.ts";
import { formatErrors, ipErrors } from "./names.ts";

const MAX_ENDPOINTS = 1000;
const MAX_PORTS = 20_000;
const MAX_ADDRESSES = 100;

export function validateEndpointSlice(slice: EndpointSlice, errors: FieldErrors): void {
  errors.oneOf("addressType", slice.addressType, ["FQDN", "IPv4", "IPv6"]);
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > MAX_ENDPOINTS)
    errors.list.push({ type: "TooMany", field: "endpoints", value: endpoints.length, detail: `must have at most ${MAX_ENDPOINTS} items` });
  endpoints.forEach(({ addresses, hostname }, i) => {
    const field = `endpoints[${i}]`;
    if (!addresses?.length) errors.required(`${field}.addresses`, "must contain at least 1 address");
    else if (addresses.length > MAX_ADDRESSES) {
      errors.list.push({
        type: "TooMany",
        field: `${field}.addresses`,
        value: addresses.length,
        detail: `must have at most ${MAX_ADDRESSES} items`,
      });
    }
    (addresses ?? []).forEach((address, j) =>
      errors.invalid(`${field}.addresses[${j}]`, address, ...addressErrors(slice.addressType, address)),
    );
    if (hostname) errors.invalid(`${field}.hostname`, hostname, ...formatErrors("label", hostname));
  });
  validateSlicePorts(slice.ports ?? [], errors);
}

function addressErrors(type: string, address: string): string[] {
  if (type === "IPv4") return ipFamily(address) === "IPv4" ? [] : ["must be a valid IPv4 address"];
  if (type === "IPv6") return ipFamily(address) === "IPv6" ? [] : ["must be a valid IPv6 address"];
  return type === "FQDN" ? formatErrors("subdomain", address) : [];
}

function validateSlicePorts(ports: readonly EndpointPort[], errors: FieldErrors): void {
  if (ports.length > MAX_PORTS)
    errors.list.push({ type: "TooMany", field: "ports", value: ports.length, detail: `must have at most ${MAX_PORTS} items` });
  const names = new Set<string>();
  ports.forEach(({ name = "", port, protocol }, i) => {
    const field = `ports[${i}]`;
    if (name !== "") errors.invalid(`${field}.name`, name, ...formatErrors("label", name));
    if (names.has(name)) errors.duplicate(`${field}.name`, name);
    names.add(name);
    errors.oneOf(`${field}.protocol`, protocol, PROTOCOLS);
    if (port !== undefined) errors.port(`${field}.port`, port);
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
      (subset[list] ?? []).forEach(({ ip, hostname }, j) => {
        errors.invalid(`${field}.${list}[${j}].ip`, ip ?? "", ...ipErrors(ip ?? ""));
        if (hostname) errors.invalid(`${field}.${list}[${j}].hostname`, hostname, ...formatErrors("label", hostname));
      });
    }
    const ports = subset.ports ?? [];
    ports.forEach(({ name, port, protocol }, j) => {
      const path = `${field}.ports[${j}]`;
      if (ports.length > 1 && !name) errors.required(`${path}.name`);
      else if (name) errors.invalid(`${path}.name`, name, ...formatErrors("label", name));
      errors.port(`${path}.port`, port);
      errors.oneOf(`${path}.protocol`, protocol, PROTOCOLS);
    });
  });
}
