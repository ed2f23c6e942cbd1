// Semantic validation: one row per kind says how its names look and what else is checked.
// Upstream: pkg/apis/*/validation. Left out: rare fields; what allocators and admission steps check themselves.
import type { FieldError } from "../../errors.ts";
import type { KubeObject } from "../../object.ts";
import type { ResourceType, Subresource } from "../../resources.ts";
import {
  validateEvent,
  validateLease,
  validateNetworkPolicy,
  validateNode,
  validateNodeUpdate,
  validateServiceSelector,
} from "./cluster.ts";
import { validateConfigMap, validateConfigMapUpdate, validateSecret, validateSecretUpdate } from "./config.ts";
import { validateEndpointSlice, validateEndpointSliceUpdate, validateEndpoints } from "./endpoints.ts";
import { FieldErrors } from "./field-errors.ts";
import {
  validateIngress,
  validateIngressClass,
  validateIngressClassUpdate,
  validateIngressCreate,
  validateIngressUpdate,
} from "./ingress.ts";
import { type NameFormat, validateMetadata, validateNoNewFinalizers } from "./metadata.ts";
import { validatePod, validatePodUpdate } from "./pod.ts";
import { validateCronJob, validateJob, validateJobUpdate } from "./batch.ts";
import {
  validateDaemonSet,
  validateDeployment,
  validateReplicaSet,
  validateSelectorUpdate,
  validateStatefulSet,
  validateStatefulSetUpdate,
} from "./workload.ts";

interface Validator {
  readonly name: NameFormat;
  /** The whole object, on create and on update. */
  readonly check?: (object: never, errors: FieldErrors) => void;
  /** What is looked at on create only. */
  readonly create?: (object: never, errors: FieldErrors) => void;
  /** What may not change. */
  readonly update?: (object: never, old: never, errors: FieldErrors, subresource: Subresource | undefined) => void;
  /** An update that leaves the checked part alone need not check it again. */
  readonly checkOnce?: boolean;
}

const VALIDATORS: Readonly<Record<string, Validator>> = {
  "core/v1.Pod": { name: "subdomain", check: validatePod, update: validatePodUpdate, checkOnce: true },
  "core/v1.Service": { name: "dns1035", check: validateServiceSelector },
  "core/v1.Endpoints": { name: "subdomain", check: validateEndpoints },
  "core/v1.ConfigMap": { name: "subdomain", check: validateConfigMap, update: validateConfigMapUpdate },
  "core/v1.Secret": { name: "subdomain", check: validateSecret, update: validateSecretUpdate },
  "core/v1.Namespace": { name: "label" },
  "core/v1.Node": { name: "subdomain", check: validateNode, update: validateNodeUpdate },
  "core/v1.ServiceAccount": { name: "subdomain" },
  "core/v1.Event": { name: "subdomain", check: validateEvent },
  "apps/v1.Deployment": { name: "subdomain", check: validateDeployment, update: validateSelectorUpdate },
  "apps/v1.ReplicaSet": { name: "subdomain", check: validateReplicaSet, update: validateSelectorUpdate },
  "apps/v1.StatefulSet": { name: "subdomain", check: validateStatefulSet, update: validateStatefulSetUpdate },
  "apps/v1.DaemonSet": { name: "subdomain", check: validateDaemonSet, update: validateSelectorUpdate },
  "apps/v1.ControllerRevision": { name: "subdomain" },
  "core/v1.PersistentVolumeClaim": { name: "subdomain" },
  "batch/v1.Job": { name: "subdomain", check: validateJob, update: validateJobUpdate },
  "batch/v1.CronJob": { name: "subdomain", check: validateCronJob },
  "discovery/v1.EndpointSlice": { name: "subdomain", check: validateEndpointSlice, update: validateEndpointSliceUpdate },
  "networking/v1.Ingress": { name: "subdomain", check: validateIngress, create: validateIngressCreate, update: validateIngressUpdate },
  "networking/v1.IngressClass": { name: "subdomain", check: validateIngressClass, update: validateIngressClassUpdate },
  "networking/v1.NetworkPolicy": { name: "subdomain", check: validateNetworkPolicy },
  "coordination/v1.Lease": { name: "subdomain", check: validateLease },
};

const OTHERS: Validator = { name: "path" };

/** Field errors of a defaulted object about to be created. */
export function validateCreate<T extends KubeObject>(type: ResourceType<T>, object: T): readonly FieldError[] {
  const validator = VALIDATORS[type.schema] ?? OTHERS;
  const errors = new FieldErrors();
  validateMetadata(object, validator.name, errors);
  validator.check?.(object as never, errors);
  validator.create?.(object as never, errors);
  return errors.list;
}

/** Field errors of a defaulted object about to replace `old`, as a whole or by way of a subresource. */
export function validateUpdate<T extends KubeObject>(
  type: ResourceType<T>,
  object: T,
  old: T,
  subresource?: Subresource,
): readonly FieldError[] {
  const validator = VALIDATORS[type.schema] ?? OTHERS;
  const errors = new FieldErrors();
  validateNoNewFinalizers(object, old, errors);
  validateMetadata(object, validator.name, errors);
  if (!validator.checkOnce) validator.check?.(object as never, errors);
  validator.update?.(object as never, old as never, errors, subresource);
  return errors.list;
}
