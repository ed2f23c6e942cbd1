// Which field selectors each kind supports. Upstream: each group's AddFieldLabelConversionsFor… functions.
import { badRequest } from "../model/errors.ts";
import { Jobs, type ResourceType } from "../model/resources.ts";
import { type FieldRequirement, parseFieldSelector } from "../model/selectors.ts";

const COMMON = ["metadata.name", "metadata.namespace"];

/** Beyond name and namespace. A resource that is not here has only those, and another error text. */
const LABELS: Readonly<Record<string, readonly string[]>> = {
  pods: [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
  ],
  nodes: ["spec.unschedulable"],
  events: [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
  namespaces: ["status.phase"],
  secrets: ["type"],
  services: ["spec.clusterIP", "spec.type"],
};

/** Boolean fields: absent means false. */
const BOOLEANS = new Set(["spec.unschedulable", "spec.hostNetwork"]);

/** Parses and checks a field selector. Throws 400 for a label that the kind does not support. */
export function fieldSelector(type: ResourceType, text: string): readonly FieldRequirement[] {
  const own = type.group === "" ? LABELS[type.resource] : type === Jobs ? ["status.successful"] : undefined;
  return parseFieldSelector(text).map((requirement) => {
    const { path } = requirement;
    if (!COMMON.includes(path) && !own?.includes(path)) {
      throw badRequest(
        own === undefined
          ? `"${path}" is not a known field selector: only "metadata.name", "metadata.namespace"`
          : type === Jobs
            ? `field label "${path}" not supported for Job`
            : `field label not supported: ${path}`,
      );
    }
    return stored(type, requirement);
  });
}

/** The same question in terms of the fields that an object really has. */
function stored(type: ResourceType, requirement: FieldRequirement): FieldRequirement {
  const { path, negated, value } = requirement;
  if (type.resource === "events" && path === "source") return { ...requirement, path: "source.component" };
  if (type.resource === "pods" && path === "status.podIPs") return { ...requirement, path: "status.podIP" };
  // A count of none is not written.
  if (type === Jobs && path === "status.successful") return { path: "status.succeeded", negated, value: value === "0" ? "" : value };
  if (BOOLEANS.has(path) && value === "false") return { path, negated: !negated, value: "true" };
  return requirement;
}
