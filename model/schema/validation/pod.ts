// Pods and pod templates.
// Upstream: pkg/apis/core/validation/validation.go ValidatePodSpec, ValidatePodUpdate. Left out: most of security contexts.
import type { Pod, PodDNSConfig, PodSpec, Toleration } from "../../kinds/core-v1.ts";
import { equalJson } from "../../object.ts";
import type { Subresource } from "../../resources.ts";
import { validateContainers } from "./container.ts";
import type { FieldErrors } from "./field-errors.ts";
import { formatErrors, ipErrors, qualifiedNameErrors } from "./names.ts";
import { validateEphemeralContainers } from "./ephemeral-containers.ts";
import { validateScheduling, validateTolerations } from "./scheduling.ts";
import { validateVolumes } from "./volumes.ts";

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
  validateContainerKinds(spec, path, errors);
  validateHostPorts(spec, path, errors);
  errors.oneOf(`${path}.restartPolicy`, spec.restartPolicy, RESTART_POLICIES);
  errors.oneOf(`${path}.dnsPolicy`, spec.dnsPolicy, DNS_POLICIES);
  if (spec.dnsPolicy === "None" && !spec.dnsConfig?.nameservers?.length) {
    errors.required(`${path}.dnsConfig.nameservers`, "must provide at least one DNS nameserver when `dnsPolicy` is None");
  }
  if (spec.dnsConfig) validateDnsConfig(spec.dnsConfig, `${path}.dnsConfig`, errors);
  validateScheduling(spec, path, errors);
  for (const key of ["runAsUser", "runAsGroup", "fsGroup"] as const)
    validateId(spec.securityContext?.[key], `${path}.securityContext.${key}`, errors);
  (spec.hostAliases ?? []).forEach(({ ip, hostnames = [] }, i) => {
    errors.invalid(`${path}.hostAliases[${i}].ip`, ip ?? "", ...ipErrors(ip ?? ""));
    for (const name of hostnames) errors.invalid(`${path}.hostAliases[${i}].hostnames`, name, ...formatErrors("subdomain", name));
  });
  (spec.readinessGates ?? []).forEach(({ conditionType }, i) =>
    errors.invalid(`${path}.readinessGates[${i}].conditionType`, conditionType, ...qualifiedNameErrors(conditionType)),
  );
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

const NOT_FOR_INIT = ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] as const;

/** Sidecars are the init containers that restart always: what they may have, others may not. */
function validateContainerKinds(spec: PodSpec, path: string, errors: FieldErrors): void {
  (spec.containers ?? []).forEach(({ restartPolicy }, i) => {
    if (restartPolicy !== undefined) errors.forbidden(`${path}.containers[${i}].restartPolicy`, "may not be set for non-init containers");
  });
  (spec.initContainers ?? []).forEach((container, i) => {
    const field = `${path}.initContainers[${i}]`;
    errors.supported(`${field}.restartPolicy`, container.restartPolicy, ["Always"]);
    if (container.restartPolicy === "Always") return;
    for (const key of NOT_FOR_INIT)
      if (container[key]) errors.forbidden(`${field}.${key}`, "may not be set for init containers without restartPolicy=Always");
  });
}

function validateHostPorts(spec: PodSpec, path: string, errors: FieldErrors): void {
  const seen = new Set<string>();
  (spec.containers ?? []).forEach(({ ports = [], securityContext }, i) => {
    const field = `${path}.containers[${i}]`;
    ports.forEach(({ hostPort, hostIP = "", protocol = "" }, j) => {
      if (!hostPort) return;
      const key = `${protocol}/${hostIP}/${hostPort}`;
      if (seen.has(key)) errors.duplicate(`${field}.ports[${j}].hostPort`, key);
      seen.add(key);
    });
    for (const key of ["runAsUser", "runAsGroup"] as const) validateId(securityContext?.[key], `${field}.securityContext.${key}`, errors);
  });
}

function validateId(id: number | undefined, field: string, errors: FieldErrors): void {
  if (id !== undefined && (id < 0 || id > MAX_INT32)) errors.invalid(field, id, `must be between 0 and ${MAX_INT32}, inclusive`);
}

const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARACTERS = 2048;

function validateDnsConfig({ nameservers = [], searches = [], options = [] }: PodDNSConfig, path: string, errors: FieldErrors): void {
  if (nameservers.length > MAX_NAMESERVERS)
    errors.invalid(`${path}.nameservers`, nameservers, `must not have more than ${MAX_NAMESERVERS} nameservers`);
  nameservers.forEach((server, i) => errors.invalid(`${path}.nameservers[${i}]`, server, ...ipErrors(server)));
  if (searches.length > MAX_SEARCHES) errors.invalid(`${path}.searches`, searches, `must not have more than ${MAX_SEARCHES} search paths`);
  if (searches.join(" ").length > MAX_SEARCH_CHARACTERS) {
    const detail = `must not have more than ${MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list`;
    errors.invalid(`${path}.searches`, searches, detail);
  }
  searches.forEach((search, i) => {
    const name = search.replace(/\.$/, "");
    if (name !== "") errors.invalid(`${path}.searches[${i}]`, name, ...formatErrors("subdomain", name.replaceAll("_", "a")));
  });
  options.forEach(({ name }, i) => {
    if (!name) errors.required(`${path}.options[${i}]`, "must not be empty");
  });
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
  const lasting = ({ tolerationSeconds: _seconds, ...toleration }: Toleration): unknown => toleration;
  const kept = (then.tolerations ?? []).every((old) =>
    (now.tolerations ?? []).some((toleration) => equalJson(lasting(toleration), lasting(old))),
  );
  if (kept) validateTolerations(now.tolerations ?? [], "spec.tolerations", errors);
  else errors.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
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
