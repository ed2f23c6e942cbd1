// The admission steps of the API server itself: defaulting, the life of namespaces, validation. Those of pods are the workloads' own.
// Upstream: apiserver pkg/admission/plugin/namespace/lifecycle. Left out: quotas, limit ranges, webhooks.
import { forbidden, notFound, StatusError } from "../model/errors.ts";
import { askedName } from "../model/object.ts";
import { Namespaces, qualifiedResource, type ResourceType } from "../model/resources.ts";
import type { Admission } from "../store/index.ts";
import { defaultingAdmission, validatingAdmission } from "./schema-admission.ts";

const IMMORTAL = new Set(["default", "kube-system", "kube-public"]);
const NAME_LABEL = "kubernetes.io/metadata.name";

/** Creates need a namespace that exists and is not terminating; the system's own namespaces cannot be deleted. */
const namespaceLifecycle: Admission = {
  name: "NamespaceLifecycle",
  operations: ["CREATE", "DELETE"],
  admit({ operation, type, object }, tx) {
    const { name, namespace } = object.metadata;
    if (operation === "DELETE") {
      if (type === Namespaces && IMMORTAL.has(name)) throw forbidden(Namespaces, name, "this namespace may not be deleted");
      return;
    }
    if (!type.namespaced || namespace === undefined) return;
    const found = tx.get(Namespaces, "", namespace);
    if (!found) throw notFound(Namespaces, namespace);
    if (found.metadata.deletionTimestamp !== undefined) throw beingTerminated(type, askedName(object.metadata), namespace);
  },
};

function beingTerminated(type: ResourceType, name: string, namespace: string): StatusError {
  return new StatusError(
    403,
    "Forbidden",
    `${qualifiedResource(type)} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
    {
      name,
      ...(type.group === "" ? {} : { group: type.group }),
      kind: type.resource,
      causes: [{ reason: "NamespaceTerminating", message: `namespace ${namespace} is being terminated`, field: "metadata.namespace" }],
    },
  );
}

/** Every namespace carries its name as a label. */
const namespaceNameLabel: Admission = {
  name: "NamespaceDefaultLabelName",
  types: [Namespaces],
  operations: ["CREATE", "UPDATE"],
  admit({ object }) {
    object.metadata.labels = { ...object.metadata.labels, [NAME_LABEL]: object.metadata.name };
  },
};

/** The steps before any other feature's, and those that must see the object as all others have left it. */
export function apiAdmission(): { readonly first: readonly Admission[]; readonly last: readonly Admission[] } {
  return {
    first: [defaultingAdmission, namespaceLifecycle, namespaceNameLabel],
    last: [validatingAdmission],
  };
}
