// The admission steps of the API server itself, in upstream's order: NamespaceLifecycle, ServiceAccount, Priority, DefaultTolerationSeconds.
// Upstream: kubernetes plugin/pkg/admission. Left out: token volumes in pods, quotas, limit ranges, webhooks.
import { forbidden, notFound, StatusError } from "../model/errors.ts";
import { Namespaces, Pods, qualifiedResource, ServiceAccounts, type ResourceType } from "../model/resources.ts";
import type { Admission, AdmissionRequest, Transaction } from "../store/index.ts";
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
    if (found.metadata.deletionTimestamp !== undefined) throw beingTerminated(type, name, namespace);
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

/** An admission step for created pods, which sees their own type. */
function onPodCreate(name: string, edit: (pod: PodRequest["object"], tx: Transaction) => void): Admission {
  return {
    name,
    types: [Pods],
    operations: ["CREATE"],
    admit: (request, tx) => edit((request as unknown as PodRequest).object, tx),
  };
}
type PodRequest = AdmissionRequest<NonNullable<(typeof Pods)["object"]>>;

const serviceAccount = onPodCreate("ServiceAccount", (pod, tx) => {
  const name = pod.spec.serviceAccountName || pod.spec.serviceAccount || "default";
  const namespace = pod.metadata.namespace ?? "";
  if (name !== "default" && !tx.get(ServiceAccounts, namespace, name)) {
    const detail = `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`;
    throw forbidden(Pods, pod.metadata.name, detail);
  }
  pod.spec.serviceAccountName = name;
  pod.spec.serviceAccount = name;
});

const priority = onPodCreate("Priority", (pod) => {
  pod.spec.priority ??= 0;
  pod.spec.preemptionPolicy ??= "PreemptLowerPriority";
});

const defaultTolerationSeconds = onPodCreate("DefaultTolerationSeconds", (pod) => {
  for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]) {
    const tolerated = (pod.spec.tolerations ?? []).some(
      (each) => (each.key === key || !each.key) && (each.effect === "NoExecute" || !each.effect),
    );
    if (tolerated) continue;
    pod.spec.tolerations = [...(pod.spec.tolerations ?? []), { key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 }];
  }
});

/** The steps before any other feature's, and those that must see the object as all others have left it. */
export function apiAdmission(): { readonly first: readonly Admission[]; readonly last: readonly Admission[] } {
  return {
    first: [defaultingAdmission, namespaceLifecycle, namespaceNameLabel, serviceAccount, priority, defaultTolerationSeconds],
    last: [validatingAdmission],
  };
}
