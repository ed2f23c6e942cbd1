// Admission of pods and of what makes them: what upstream's admission plugins and the pod strategy fill in or refuse.
// Upstream: plugin/pkg/admission/{serviceaccount,defaulttolerationseconds,priority}, pkg/registry/core/pod.
import { forbidden } from "../model/errors.ts";
import type { Pod, PodCondition, Toleration, Volume, VolumeMount } from "../model/kinds/core-v1.ts";
import { timestamp, type Clock } from "../model/clock.ts";
import { type Draft, askedName, draft } from "../model/object.ts";
import type { Random } from "../model/random.ts";
import { createIds } from "../model/ids.ts";
import { Pods, ServiceAccounts } from "../model/resources.ts";
import type { Admission, AdmissionRequest } from "../store/contract.ts";
import { qosClass } from "./kubelet/qos-class.ts";
import { daemonSetGeneration, jobSelector } from "./workload-admission.ts";

const TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
const SYSTEM_PRIORITIES: Readonly<Record<string, number>> = {
  "system-node-critical": 2_000_001_000,
  "system-cluster-critical": 2_000_000_000,
};

/** The steps in the order in which they must run. */
export function workloadAdmission({ clock, random }: { readonly clock: Clock; readonly random: Random }): readonly Admission[] {
  const ids = createIds(random.fork("workload-admission"));
  return [
    jobSelector,
    daemonSetGeneration,
    step("PodDefaults", ["CREATE"], (pod, _request, tx) => {
      podDefaults(pod);
      const account = tx.get(ServiceAccounts, pod.metadata.namespace ?? "", pod.spec.serviceAccountName ?? "");
      serviceAccount(pod, account, () => ids.suffix());
    }),
    step("PodTolerations", ["CREATE"], (pod) => {
      pod.spec.tolerations = tolerations(pod.spec.tolerations ?? []);
    }),
    step("EphemeralContainers", ["UPDATE"], (pod, { old, subresource }) => {
      if (old && subresource === "ephemeralcontainers") onlyEphemeralContainers(pod, old as Pod);
    }),
    step("PodBinding", ["UPDATE"], (pod, request) => markScheduled(pod, request.old as Pod | undefined, clock)),
  ];
}

function step(
  name: string,
  operations: readonly AdmissionRequest["operation"][],
  admit: (pod: Draft<Pod>, request: AdmissionRequest, tx: Parameters<Admission["admit"]>[1]) => void,
): Admission {
  return { name, types: [Pods], operations, admit: (request, tx) => admit(request.object as Draft<Pod>, request, tx) };
}

function podDefaults(pod: Draft<Pod>): void {
  const { priorityClassName = "" } = pod.spec;
  const systemPriority = SYSTEM_PRIORITIES[priorityClassName];
  if (priorityClassName !== "" && systemPriority === undefined) {
    throw forbidden(Pods, askedName(pod.metadata), `no PriorityClass with name ${priorityClassName} was found`);
  }
  pod.spec.priority = systemPriority ?? pod.spec.priority ?? 0;
  pod.spec.preemptionPolicy ??= "PreemptLowerPriority";
  pod.spec.enableServiceLinks ??= true;
  pod.spec.serviceAccountName ||= "default";
  pod.spec.serviceAccount = pod.spec.serviceAccountName;
  pod.status = { ...pod.status, phase: pod.status?.phase ?? "Pending", qosClass: qosClass(pod.spec as Pod["spec"]) };
}

/** Tolerations of a node's not being ready or reachable for five minutes, unless the pod has its own. */
function tolerations(own: readonly Toleration[]): Draft<Toleration>[] {
  const added = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    .filter(
      (key) =>
        !own.some((toleration) => (!toleration.key || toleration.key === key) && (!toleration.effect || toleration.effect === "NoExecute")),
    )
    .map((key): Toleration => ({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 }));
  return [...own, ...added].map((toleration) => ({ ...toleration }));
}

/** Mounts the account's token, as a projected volume, where the containers do not mount something themselves. */
function serviceAccount(
  pod: Draft<Pod>,
  account: { readonly automountServiceAccountToken?: boolean } | undefined,
  suffix: () => string,
): void {
  const name = pod.spec.serviceAccountName ?? "default";
  if (!account && name !== "default") {
    const message = `error looking up service account ${pod.metadata.namespace}/${name}: serviceaccount "${name}" not found`;
    throw forbidden(Pods, askedName(pod.metadata), message);
  }
  if ((pod.spec.automountServiceAccountToken ?? account?.automountServiceAccountToken) === false) return;
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const lacking = containers.filter((container) => !(container.volumeMounts ?? []).some((mount) => mount.mountPath === TOKEN_MOUNT));
  if (lacking.length === 0) return;
  const existing = pod.spec.volumes?.find((volume) => volume.name.startsWith("kube-api-access-"));
  const volume: Draft<Volume> = existing ?? tokenVolume(`kube-api-access-${suffix()}`);
  if (!existing) pod.spec.volumes = [...(pod.spec.volumes ?? []), volume];
  const mount: Draft<VolumeMount> = { name: volume.name, readOnly: true, mountPath: TOKEN_MOUNT };
  for (const container of lacking) (container.volumeMounts ??= []).push({ ...mount });
}

function tokenVolume(name: string): Draft<Volume> {
  return {
    name,
    projected: {
      defaultMode: 420,
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        { downwardAPI: { items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }] } },
      ],
    },
  };
}

/** Puts back all that does not belong to the subresource. */
function onlyEphemeralContainers(pod: Draft<Pod>, old: Pod): void {
  const { ephemeralContainers } = pod.spec;
  const { managedFields } = pod.metadata;
  const before = draft(old);
  delete before.spec.ephemeralContainers;
  pod.spec = { ...before.spec, ...(ephemeralContainers ? { ephemeralContainers } : {}) };
  pod.metadata = { ...before.metadata, ...(managedFields ? { managedFields } : {}) };
}

/** Binding a pod to a node is also the moment from which it counts as scheduled. */
function markScheduled(pod: Draft<Pod>, old: Pod | undefined, clock: Clock): void {
  if (!pod.spec.nodeName || old?.spec.nodeName) return;
  const condition: PodCondition = { type: "PodScheduled", status: "True", lastTransitionTime: timestamp(clock) };
  const others = (pod.status?.conditions ?? []).filter((other) => other.type !== condition.type);
  pod.status = { ...pod.status, phase: pod.status?.phase ?? "Pending", conditions: [...others, { ...condition }] };
}
