// Pods and pod templates.
// Upstream: pkg/apis/core/validation/validation.go ValidatePodSpec, ValidatePodUpdate. Left out: affinity, tolerations, security contexts.
import type { Pod, PodSpec, Volume } from "../../kinds/core-v1.ts";
import { equalJson } from "../../object.ts";
import type { Subresource } from "../../resources.ts";
import { validateContainers } from "./container.ts";
import type { FieldErrors } from "./field-errors.ts";
import { formatErrors } from "./names.ts";
import { validateEphemeralContainers } from "./ephemeral-containers.ts";

const RESTART_POLICIES = ["Always", "Never", "OnFailure"];
const DNS_POLICIES = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];
const MAX_INT32 = 2_147_483_647;

export function validatePod(pod: Pod, errors: FieldErrors): void {
  validatePodSpec(pod.spec, "spec", errors);
}

export function validatePodSpec(spec: PodSpec, path: string, errors: FieldErrors): void {
  const volumes = validateVolumes(spec.volumes ?? [], `${path}.volumes`, errors);
  const names = new Set<string>();
  const containers = spec.containers ?? [];
  if (containers.length === 0) errors.required(`${path}.containers`);
  validateContainers(containers, `${path}.containers`, volumes, names, errors);
  validateContainers(spec.initContainers ?? [], `${path}.initContainers`, volumes, names, errors);
  errors.oneOf(`${path}.restartPolicy`, spec.restartPolicy, RESTART_POLICIES);
  errors.oneOf(`${path}.dnsPolicy`, spec.dnsPolicy, DNS_POLICIES);
  if (spec.dnsPolicy === "None" && !spec.dnsConfig?.nameservers?.length) {
    errors.required(`${path}.dnsConfig.nameservers`, "must provide at least one DNS nameserver when `dnsPolicy` is None");
  }
  errors.nonNegative(`${path}.terminationGracePeriodSeconds`, spec.terminationGracePeriodSeconds);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > MAX_INT32)) {
    errors.invalid(`${path}.activeDeadlineSeconds`, deadline, `must be between 1 and ${MAX_INT32}, inclusive`);
  }
  for (const [key, format] of [
    ["serviceAccountName", "subdomain"],
    ["nodeName", "subdomain"],
    ["hostname", "label"],
    ["subdomain", "label"],
  ] as const) {
    const value = spec[key];
    if (value) errors.invalid(`${path}.${key}`, value, ...formatErrors(format, value));
  }
}

function validateVolumes(volumes: readonly Volume[], field: string, errors: FieldErrors): ReadonlySet<string> {
  const names = new Set<string>();
  volumes.forEach((volume, i) => {
    const path = `${field}[${i}]`;
    const problems = volume.name ? formatErrors("label", volume.name) : [];
    if (!volume.name) errors.required(`${path}.name`);
    else if (problems.length > 0) errors.invalid(`${path}.name`, volume.name, ...problems);
    else if (names.has(volume.name)) errors.duplicate(`${path}.name`, volume.name);
    names.add(volume.name);
    const [first, ...more] = Object.keys(volume).filter((key) => key !== "name");
    if (first === undefined) errors.required(path, "must specify a volume type");
    for (const key of more) errors.forbidden(`${path}.${key}`, "may not specify more than 1 volume type");
    if (volume.hostPath && !volume.hostPath.path) errors.required(`${path}.hostPath.path`);
    if (volume.secret && !volume.secret.secretName) errors.required(`${path}.secret.secretName`);
    if (volume.configMap && !volume.configMap.name) errors.required(`${path}.configMap.name`);
    if (volume.persistentVolumeClaim && !volume.persistentVolumeClaim.claimName) errors.required(`${path}.persistentVolumeClaim.claimName`);
  });
  return names;
}

const MUTABLE =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/** Only images, deadlines and tolerations change in place. A first nodeName comes by `binding`, ephemeral containers by their own subresource. */
export function validatePodUpdate(pod: Pod, old: Pod, errors: FieldErrors, subresource?: Subresource): void {
  if (equalJson(pod.spec, old.spec)) return;
  if (subresource === "ephemeralcontainers") return validateEphemeralContainers(pod, old, errors);
  const before = errors.list.length;
  const now = pod.spec;
  const then = old.spec;
  for (const list of ["containers", "initContainers"] as const) {
    if ((now[list] ?? []).length !== (then[list] ?? []).length) {
      errors.forbidden(`spec.${list}`, `pod updates may not add or remove ${list === "containers" ? "containers" : "init containers"}`);
      return;
    }
    (now[list] ?? []).forEach(({ image }, i) => {
      if (!image) errors.required(`spec.${list}[${i}].image`);
    });
  }
  const deadline = now.activeDeadlineSeconds;
  const previous = then.activeDeadlineSeconds;
  if (deadline !== previous) {
    if (deadline === undefined) errors.invalid("spec.activeDeadlineSeconds", null, "must not update from a positive integer to nil value");
    else if (deadline < 0 || deadline > MAX_INT32)
      errors.invalid("spec.activeDeadlineSeconds", deadline, `must be between 0 and ${MAX_INT32}, inclusive`);
    else if (previous !== undefined && previous < deadline)
      errors.invalid("spec.activeDeadlineSeconds", deadline, "must be less than or equal to previous value");
  }
  const kept = (then.tolerations ?? []).every((old) => (now.tolerations ?? []).some((toleration) => equalJson(toleration, old)));
  if (!kept) errors.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
  if (errors.list.length > before) return;
  const changed = differences(munged(now, then, subresource), then, "");
  if (changed.length > 0)
    errors.forbidden("spec", `${MUTABLE}\n${changed.map(([path, was, is]) => `- ${path}: ${was}\n+ ${path}: ${is}`).join("\n")}\n`);
}

/** The new spec with everything that may change set back. */
function munged(now: PodSpec, then: PodSpec, subresource: Subresource | undefined): PodSpec {
  const images = <C extends { readonly image?: string }>(list: readonly C[], before: readonly C[]): C[] =>
    list.map((item, i) => ({ ...item, image: before[i]?.image }));
  return {
    ...now,
    containers: images(now.containers, then.containers),
    ...(now.initContainers ? { initContainers: images(now.initContainers, then.initContainers ?? []) } : {}),
    ...restored(then, "activeDeadlineSeconds"),
    ...restored(then, "tolerations"),
    ...(subresource === "binding" && then.nodeName === undefined ? { nodeName: undefined } : {}),
    ...((then.terminationGracePeriodSeconds ?? 0) < 0 ? restored(then, "terminationGracePeriodSeconds") : {}),
  } as PodSpec;
}

function restored<K extends keyof PodSpec>(spec: PodSpec, key: K): { readonly [key: string]: unknown } {
  return { [key]: spec[key] };
}

/** Paths at which two values differ, with both texts. */
function differences(now: unknown, then: unknown, path: string): (readonly [path: string, was: string, is: string])[] {
  if (equalJson(now, then)) return [];
  if (typeof now !== "object" || typeof then !== "object" || now === null || then === null) {
    return [[path, JSON.stringify(then) ?? "nil", JSON.stringify(now) ?? "nil"]];
  }
  const [after, before] = [new Map(Object.entries(now)), new Map(Object.entries(then))];
  const join = (key: string): string => (Array.isArray(now) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`);
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => differences(after.get(key), before.get(key), join(key)));
}
