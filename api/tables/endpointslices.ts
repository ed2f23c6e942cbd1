// `kubectl get endpointslices`. Upstream: printers/internalversion printEndpointSlice.
import { EndpointSlices } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { shortList } from "./format.ts";
import { printer } from "./table.ts";

export const endpointSlicePrinter = printer(EndpointSlices, ["Name", "AddressType", "Ports", "Endpoints", "Age"], (slice, nowMs) => [
  slice.metadata.name,
  slice.addressType,
  shortList(
    (slice.ports ?? []).map(({ port, name }) => (port === undefined ? (name ?? "*") : `${port}`)),
    "<unset>",
  ),
  shortList(
    (slice.endpoints ?? []).flatMap(({ addresses }) => addresses),
    "<unset>",
  ),
  ageOf(slice.metadata.creationTimestamp, nowMs),
]);
