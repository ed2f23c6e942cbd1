// A pod's status from its containers: phase, conditions, container statuses. Pure.
// Upstream: pkg/kubelet/kubelet_pods.go getPhase and generateAPIPodStatus, pkg/kubelet/status/generate.go.
import type { ContainerStatus, Pod, PodCondition, PodStatus } from "../../model/kinds/core-v1.ts";

export interface PodStatusInput {
  readonly pod: Pod;
  readonly now: string;
  readonly hostIPs: readonly string[];
  /** Undefined before it has one. */
  readonly podIPs: readonly string[] | undefined;
  readonly startTime: string;
  readonly init: readonly ContainerStatus[];
  /** Names of init containers that are sidecars. */
  readonly sidecars: ReadonlySet<string>;
  readonly containers: readonly ContainerStatus[];
  readonly ephemeral: readonly ContainerStatus[];
  /** Every container has ended for good: the pod is being deleted or has failed. */
  readonly ended: boolean;
  /** Why kubelet failed the pod, e.g. DeadlineExceeded. */
  readonly failure?: { readonly reason: string; readonly message: string };
}

type Phase = NonNullable<PodStatus["phase"]>;

/** Conditions that kubelet owns; those of others (readiness gates, the scheduler's) are kept as they are. */
const ORDER = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/** The status, with the transition times of conditions that do not change kept from the pod's. */
export function podStatus(input: PodStatusInput): PodStatus {
  const { pod, hostIPs, podIPs } = input;
  const phase = podPhase(input);
  const conditions = podConditions(input, phase);
  const { qosClass, message, reason } = pod.status ?? {};
  const why = input.failure ?? (phase === "Failed" && reason !== undefined ? { reason, message } : undefined);
  return {
    phase,
    conditions,
    ...(why?.message === undefined ? {} : { message: why.message }),
    ...(why?.reason === undefined ? {} : { reason: why.reason }),
    hostIP: hostIPs[0] ?? "",
    hostIPs: hostIPs.map((ip) => ({ ip })),
    ...(podIPs?.[0] === undefined ? {} : { podIP: podIPs[0], podIPs: podIPs.map((ip) => ({ ip })) }),
    startTime: input.startTime,
    ...(input.init.length > 0 ? { initContainerStatuses: input.init } : {}),
    containerStatuses: input.containers,
    ...(input.ephemeral.length > 0 ? { ephemeralContainerStatuses: input.ephemeral } : {}),
    ...(qosClass === undefined ? {} : { qosClass }),
  };
}

const terminatedOf = (status: ContainerStatus): { readonly exitCode: number } | undefined =>
  status.state?.terminated ?? (status.state?.waiting ? status.lastState?.terminated : undefined);

/** Names of the init containers that hold the others back. */
function uninitialized({ init, sidecars }: PodStatusInput): readonly string[] {
  return init
    .filter((status) => (sidecars.has(status.name) ? !status.started : status.state?.terminated?.exitCode !== 0))
    .map((status) => status.name);
}

function podPhase(input: PodStatusInput): Phase {
  const { containers, ended, failure, pod } = input;
  if (failure && ended) return "Failed";
  const was = pod.status?.phase;
  if (was === "Succeeded" || was === "Failed") return was;
  const restartPolicy = pod.spec.restartPolicy ?? "Always";
  const exits = containers.map(terminatedOf);
  const succeeded = exits.every((exit) => exit?.exitCode === 0);
  if (ended) return succeeded ? "Succeeded" : "Failed";
  const waitingInit = uninitialized(input);
  const initFailed = input.init.some((status) => !input.sidecars.has(status.name) && (status.state?.terminated?.exitCode ?? 0) !== 0);
  if (initFailed && restartPolicy === "Never") return "Failed";
  if (waitingInit.length > 0 && exits.every((exit) => exit === undefined) && !containers.some((status) => status.state?.running))
    return "Pending";
  if (containers.some((status) => status.state?.waiting && !status.lastState?.terminated)) return "Pending";
  if (containers.some((status) => status.state?.running)) return "Running";
  if (restartPolicy === "Always") return "Running";
  if (succeeded) return "Succeeded";
  return restartPolicy === "Never" ? "Failed" : "Running";
}

function podConditions(input: PodStatusInput, phase: Phase): readonly PodCondition[] {
  const old = input.pod.status?.conditions ?? [];
  const waitingInit = uninitialized(input);
  const unready = [...input.init.filter((status) => input.sidecars.has(status.name)), ...input.containers]
    .filter((status) => !status.ready)
    .map((status) => status.name);
  const completed = phase === "Succeeded" ? { reason: "PodCompleted" } : phase === "Failed" ? { reason: "PodFailed" } : undefined;
  const containersReady = completed
    ? { status: "False", ...completed }
    : unready.length > 0
      ? { status: "False", reason: "ContainersNotReady", message: `containers with unready status: [${unready.join(" ")}]` }
      : { status: "True" };
  const initialized =
    phase === "Succeeded"
      ? { status: "True", reason: "PodCompleted" }
      : waitingInit.length > 0
        ? { status: "False", reason: "ContainersNotInitialized", message: `containers with incomplete status: [${waitingInit.join(" ")}]` }
        : { status: "True" };
  const computed: Readonly<Record<string, Omit<PodCondition, "type">>> = {
    PodReadyToStartContainers: { status: input.podIPs !== undefined && !input.ended && !completed ? "True" : "False" },
    Initialized: initialized,
    Ready: containersReady.status === "True" ? gates(input.pod) : containersReady,
    ContainersReady: containersReady,
    PodScheduled: { status: "True" },
  };
  const ours = ORDER.map((type) => withTransition(type, computed[type] ?? { status: "Unknown" }, old, input.now));
  return [...ours, ...old.filter((condition) => !ORDER.includes(condition.type ?? ""))];
}

function gates(pod: Pod): Omit<PodCondition, "type"> {
  const complaints = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = pod.status?.conditions?.find((candidate) => candidate.type === conditionType);
    if (!condition) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    return condition.status === "True"
      ? []
      : [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`];
  });
  return complaints.length === 0
    ? { status: "True" }
    : { status: "False", reason: "ReadinessGatesNotReady", message: complaints.join(", ") };
}

function withTransition(type: string, condition: Omit<PodCondition, "type">, old: readonly PodCondition[], now: string): PodCondition {
  const before = old.find((candidate) => candidate.type === type);
  const lastTransitionTime = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now;
  return { type, ...condition, lastTransitionTime };
}
