// Ephemeral containers: added by their subresource, never changed or removed, and with fewer fields than containers.
// Upstream: pkg/apis/core/validation/validation.go ValidatePodEphemeralContainersUpdate, validateEphemeralContainers.
import type { EphemeralContainer, Pod } from "../../kinds/core-v1.ts";
import { equalJson } from "../../object.ts";
import { validateContainers } from "./container.ts";
import type { FieldErrors } from "./field-errors.ts";

const FIELD = "spec.ephemeralContainers";
const NOT_FOR_EPHEMERAL = ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources", "resizePolicy"] as const;

export function validateEphemeralContainers(pod: Pod, old: Pod, errors: FieldErrors): void {
  const now = pod.spec.ephemeralContainers ?? [];
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const names = new Set(containers.map(({ name }) => name));
  const volumes = new Set((pod.spec.volumes ?? []).map(({ name }) => name));
  const targets = new Set(names);
  validateContainers(now, FIELD, volumes, names, errors);
  now.forEach((container, i) => validateOwnFields(container, `${FIELD}[${i}]`, targets, errors));
  const byName = new Map(now.map((container) => [container.name, container]));
  for (const before of old.spec.ephemeralContainers ?? []) {
    const after = byName.get(before.name);
    const name = JSON.stringify(before.name);
    if (!after) errors.forbidden(FIELD, `existing ephemeral containers ${name} may not be removed\n`);
    else if (!equalJson(after, before)) errors.forbidden(FIELD, `existing ephemeral containers ${name} may not be changed\n`);
  }
}

function validateOwnFields(container: EphemeralContainer, path: string, targets: ReadonlySet<string>, errors: FieldErrors): void {
  const target = container.targetContainerName;
  if (target && !targets.has(target)) errors.notFound(`${path}.targetContainerName`, target);
  for (const field of NOT_FOR_EPHEMERAL) {
    const value = container[field];
    if (value !== undefined && Object.keys(value).length > 0)
      errors.forbidden(`${path}.${field}`, "cannot be set for an Ephemeral Container");
  }
}
