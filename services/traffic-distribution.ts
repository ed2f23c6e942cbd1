// Hints of trafficDistribution (KEP-4444, KEP-3015): each ready endpoint for its own zone, and with PreferSameNode for its own node.
// Pure. Upstream: k8s.io/endpointslice/trafficdist.
import type { Endpoint } from "../model/kinds/discovery-v1.ts";
import { equalJson } from "../model/object.ts";
import { contentOf, type PackedSlices, withEndpoints } from "./slice-packing.ts";
import { isReady } from "./topology-hints.ts";

const VALUES: readonly (string | undefined)[] = ["PreferClose", "PreferSameZone", "PreferSameNode"];

/** True when the value asks for hints. */
export function distributesTraffic(trafficDistribution: string | undefined): boolean {
  return VALUES.includes(trafficDistribution);
}

/** Slices with their hints; unchanged ones are written when a ready endpoint of theirs has others. */
export function distributionHints(trafficDistribution: string | undefined, slices: PackedSlices): PackedSlices {
  const hinted = (endpoint: Endpoint): Endpoint => withHints(endpoint, trafficDistribution === "PreferSameNode");
  const update = [...slices.update];
  const unchanged = slices.unchanged.filter((slice) => {
    const fits = (slice.endpoints ?? []).every((endpoint) => equalJson(wanted(endpoint), wanted(hinted(endpoint))));
    if (!fits) update.push({ slice, content: contentOf(slice) });
    return fits;
  });
  const contents = [...slices.create, ...update.map(({ content }) => content)];
  return withEndpoints(
    { create: slices.create, update, unchanged },
    contents.map(({ endpoints }) => endpoints.map(hinted)),
  );
}

/** Names that an endpoint is hinted for: an empty list is as good as none. */
const wanted = ({ hints }: Endpoint): unknown => [hints?.forZones ?? [], hints?.forNodes ?? []];

function withHints(endpoint: Endpoint, forNodes: boolean): Endpoint {
  if (!isReady(endpoint)) return endpoint;
  const { hints: _hints, ...bare } = endpoint;
  const { zone, nodeName } = endpoint;
  const hints = {
    ...(zone === undefined ? {} : { forZones: [{ name: zone }] }),
    ...(nodeName === undefined || !forNodes ? {} : { forNodes: [{ name: nodeName }] }),
  };
  return Object.keys(hints).length > 0 ? { ...bare, hints } : bare;
}
