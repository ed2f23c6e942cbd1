// What containers request and are limited to.
// Upstream: pkg/apis/core/validation/validation.go ValidateContainerResourceRequirements, validateContainerResourceName. Left out: claims.
import type { ResourceRequirements } from "../../kinds/core-v1.ts";
import { canonicalQuantity, quantityNanos } from "../quantity.ts";
import type { FieldErrors } from "./field-errors.ts";
import { qualifiedNameErrors } from "./names.ts";

const OF_CONTAINERS = ["cpu", "memory", "ephemeral-storage"];
const COUNTED = ["pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims"];
const STANDARD = new Set([
  ...OF_CONTAINERS,
  ...OF_CONTAINERS.flatMap((name) => [`requests.${name}`, `limits.${name}`]),
  ...COUNTED,
  ...["storage", "requests.storage", "services.nodeports", "services.loadbalancers"],
]);
const HUGE_PAGES = "hugepages-";

export function validateResources({ limits = {}, requests = {} }: ResourceRequirements, path: string, errors: FieldErrors): void {
  for (const [name, quantity] of Object.entries(limits)) validateAmount(name, quantity, `${path}.limits[${name}]`, errors);
  for (const [name, request] of Object.entries(requests)) {
    validateAmount(name, request, `${path}.requests[${name}]`, errors);
    const limit = limits[name];
    const wanted = quantityNanos(request) ?? 0n;
    const canOvercommit = isNative(name) && !name.startsWith(HUGE_PAGES);
    if (limit === undefined) {
      if (!canOvercommit) errors.required(`${path}.limits`, "Limit must be set for non overcommitable resources");
      continue;
    }
    const allowed = quantityNanos(limit) ?? 0n;
    const relation = canOvercommit ? "less than or equal to" : "equal to";
    if (canOvercommit ? wanted > allowed : wanted !== allowed) {
      errors.invalid(`${path}.requests`, canonicalQuantity(request), `must be ${relation} ${name} limit of ${canonicalQuantity(limit)}`);
    }
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  if (names.some((name) => name.startsWith(HUGE_PAGES)) && !names.includes("cpu") && !names.includes("memory"))
    errors.forbidden(path, "HugePages require cpu or memory");
}

function validateAmount(name: string, quantity: string, field: string, errors: FieldErrors): void {
  const problems = qualifiedNameErrors(name);
  errors.invalid(field, name, ...problems);
  if (!name.includes("/") && !name.startsWith(HUGE_PAGES)) {
    if (problems.length === 0 && !STANDARD.has(name)) errors.invalid(field, name, "must be a standard resource type or fully qualified");
    if (!OF_CONTAINERS.includes(name)) errors.invalid(field, name, "must be a standard resource for containers");
  }
  const nanos = quantityNanos(quantity) ?? 0n;
  if (nanos < 0n) errors.invalid(field, canonicalQuantity(quantity), "must be greater than or equal to 0");
  if (!isNative(name) && nanos % 1_000_000_000n !== 0n) errors.invalid(field, quantity, "must be an integer");
}

const isNative = (name: string): boolean => !name.includes("/") || name.startsWith("kubernetes.io/");
