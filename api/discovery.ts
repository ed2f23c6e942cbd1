// What the server serves: aggregated discovery (v2, v2beta1) and the legacy documents. Upstream: apiserver pkg/endpoints/discovery.
import type { ResourceType, Subresource } from "../model/resources.ts";
import type { Answer, ApiContext, ApiRequest } from "./context.ts";
import { objectAnswer } from "./context.ts";
import { parseMediaTypes } from "./media-types.ts";
import { REVIEWS } from "./reviews.ts";
import { subresourceHandlers } from "./subresources/index.ts";
import { hasDeleteCollection } from "./verbs/delete.ts";

/** One served resource or POST-only kind, as every form of discovery describes it. */
interface Entry {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly SubresourceEntry[];
}

interface SubresourceEntry {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

const VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const GROUP_ORDER = [
  "",
  "apps",
  "events.k8s.io",
  "authentication.k8s.io",
  "authorization.k8s.io",
  "autoscaling",
  "batch",
  "networking.k8s.io",
  "policy",
  "rbac.authorization.k8s.io",
  "storage.k8s.io",
  "apiextensions.k8s.io",
  "coordination.k8s.io",
  "discovery.k8s.io",
];

function subresourceEntry(type: ResourceType, name: Subresource): SubresourceEntry | undefined {
  const served = subresourceHandlers.get(name);
  if (!served) return undefined;
  const [group, version, kind] = served.kind ?? [type.group, type.version, type.kind];
  return { name, group, version, kind, verbs: served.verbs };
}

function entriesOf(resources: readonly ResourceType[]): readonly Entry[] {
  const kept = resources.map((type): Entry => ({
    group: type.group,
    version: type.version,
    resource: type.resource,
    singular: type.singular,
    kind: type.kind,
    namespaced: type.namespaced,
    verbs: hasDeleteCollection(type) ? VERBS : VERBS.filter((verb) => verb !== "deletecollection"),
    shortNames: type.shortNames,
    categories: type.categories,
    subresources: type.subresources.flatMap((name) => subresourceEntry(type, name) ?? []),
  }));
  const posted = REVIEWS.map((review): Entry => ({ ...review, verbs: ["create"], shortNames: [], categories: [], subresources: [] }));
  return [...kept, ...posted];
}

interface GroupEntry {
  readonly group: string;
  readonly versions: readonly { readonly version: string; readonly entries: readonly Entry[] }[];
}

function groupsOf(context: ApiContext): readonly GroupEntry[] {
  const rank = (group: string): number => (GROUP_ORDER.includes(group) ? GROUP_ORDER.indexOf(group) : GROUP_ORDER.length);
  const entries = entriesOf(context.store.resources);
  const groups = [...new Set(entries.map(({ group }) => group))].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return groups.map((group) => {
    const own = entries.filter((entry) => entry.group === group);
    const versions = [...new Set(own.map(({ version }) => version))];
    return {
      group,
      versions: versions.map((version) => ({
        version,
        entries: own.filter((entry) => entry.version === version).sort((a, b) => (a.resource < b.resource ? -1 : 1)),
      })),
    };
  });
}

/** The group-versions served, as "v1" or "group/version": what OpenAPI is published for. */
export function groupVersions(context: ApiContext): readonly string[] {
  return groupsOf(context).flatMap(({ group, versions }) =>
    versions.map(({ version }) => (group === "" ? version : `${group}/${version}`)),
  );
}

const filled = <K extends string>(key: K, list: readonly unknown[]): Partial<Record<K, readonly unknown[]>> =>
  list.length === 0 ? {} : ({ [key]: list } as Record<K, readonly unknown[]>);

function aggregatedResource(entry: Entry): object {
  return {
    resource: entry.resource,
    responseKind: { group: entry.group, version: entry.version, kind: entry.kind },
    scope: entry.namespaced ? "Namespaced" : "Cluster",
    singularResource: entry.singular,
    verbs: entry.verbs,
    ...filled("shortNames", entry.shortNames),
    ...filled("categories", entry.categories),
    ...filled(
      "subresources",
      entry.subresources.map(({ name, group, version, kind, verbs }) => ({
        subresource: name,
        responseKind: { group, version, kind },
        verbs,
      })),
    ),
  };
}

function aggregated(groups: readonly GroupEntry[], version: string): Answer {
  const body = {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(({ group, versions }) => ({
      metadata: { ...(group === "" ? {} : { name: group }), creationTimestamp: null },
      versions: versions.map((each) => ({
        version: each.version,
        resources: each.entries.map(aggregatedResource),
        freshness: "Current",
      })),
    })),
  };
  return { type: "object", code: 200, body, contentType: `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList` };
}

/** "v2" or "v2beta1" when the client wants aggregated discovery; undefined for the legacy documents. */
function aggregatedVersion(request: ApiRequest): "v2" | "v2beta1" | undefined {
  for (const { type, parameters } of parseMediaTypes(request.incoming.headers.accept ?? "")) {
    if (type !== "application/json") continue;
    if (parameters["as"] === undefined) return undefined;
    if (parameters["as"] !== "APIGroupDiscoveryList" || parameters["g"] !== "apidiscovery.k8s.io") continue;
    if (parameters["v"] === "v2" || parameters["v"] === "v2beta1") return parameters["v"];
  }
  return undefined;
}

function legacyGroup({ group, versions }: GroupEntry): object {
  const list = versions.map(({ version }) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: list, preferredVersion: list[0] };
}

function legacyResources(groupVersion: string, entries: readonly Entry[]): Answer {
  const resources = entries.flatMap((entry) => [
    {
      name: entry.resource,
      singularName: entry.singular,
      namespaced: entry.namespaced,
      kind: entry.kind,
      verbs: entry.verbs,
      ...filled("shortNames", entry.shortNames),
      ...filled("categories", entry.categories),
    },
    ...entry.subresources.map(({ name, group, version, kind, verbs }) => ({
      name: `${entry.resource}/${name}`,
      singularName: "",
      namespaced: entry.namespaced,
      ...(group === entry.group && version === entry.version ? {} : { group, version }),
      kind,
      verbs,
    })),
  ]);
  return objectAnswer({ kind: "APIResourceList", apiVersion: "v1", groupVersion, resources });
}

/** Answers /api, /apis, /api/v1, /apis/{group} and /apis/{group}/{version}; undefined for any other path. */
export function discoveryAnswer(segments: readonly string[], request: ApiRequest, context: ApiContext): Answer | undefined {
  const [root, ...rest] = segments.filter((segment) => segment !== "");
  const groups = groupsOf(context);
  const core = groups.filter(({ group }) => group === "");
  const named = groups.filter(({ group }) => group !== "");
  if (root === "api") {
    const [version, ...more] = rest;
    if (more.length > 0) return undefined;
    const entries = core[0]?.versions.find((each) => each.version === version)?.entries;
    if (version !== undefined) return entries && legacyResources(version, entries);
    const wanted = aggregatedVersion(request);
    if (wanted) return aggregated(core, wanted);
    return objectAnswer({
      kind: "APIVersions",
      versions: ["v1"],
      serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: request.incoming.headers.host ?? "" }],
    });
  }
  if (root !== "apis") return undefined;
  const [groupName, version, ...more] = rest;
  if (groupName === undefined) {
    const wanted = aggregatedVersion(request);
    if (wanted) return aggregated(named, wanted);
    return objectAnswer({ kind: "APIGroupList", apiVersion: "v1", groups: named.map(legacyGroup) });
  }
  const group = named.find((each) => each.group === groupName);
  if (!group || more.length > 0) return undefined;
  if (version === undefined) return objectAnswer({ kind: "APIGroup", apiVersion: "v1", ...legacyGroup(group) });
  const entries = group.versions.find((each) => each.version === version)?.entries;
  return entries && legacyResources(`${groupName}/${version}`, entries);
}
