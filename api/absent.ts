// Resources of which this cluster never has any, but whose lists clients read without asking discovery: an empty list is the true answer.
// Upstream: kubectl's field validation lists CustomResourceDefinitions before it says that a kind is unknown; `cluster-info dump` lists
// ReplicationControllers.
import { type Answer, objectAnswer } from "./context.ts";
import type { ResourcePath } from "./path.ts";

interface AbsentResource {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

const ABSENT: readonly AbsentResource[] = [
  {
    group: "apiextensions.k8s.io",
    version: "v1",
    resource: "customresourcedefinitions",
    kind: "CustomResourceDefinition",
    namespaced: false,
  },
  { group: "", version: "v1", resource: "replicationcontrollers", kind: "ReplicationController", namespaced: true },
];

/** The empty list that a path asks for, if it names a resource that is always absent. `revision` is the store's. */
export function absentList(path: ResourcePath, revision: number): Answer | undefined {
  const { group, version, resource, name, namespace } = path;
  if (name !== undefined) return undefined;
  const absent = ABSENT.find((each) => each.resource === resource && each.group === group && each.version === version);
  if (!absent || (namespace !== undefined && !absent.namespaced)) return undefined;
  const metadata = { resourceVersion: String(revision) };
  return objectAnswer({ kind: `${absent.kind}List`, apiVersion: group === "" ? version : `${group}/${version}`, metadata, items: [] });
}
