// `kubectl get pods`: READY, STATUS and RESTARTS from the container statuses. Upstream: printers/internalversion printPod.
import type { ContainerStatus, Pod } from "../../model/kinds/core-v1.ts";
import { Pods } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

interface PodSummary {
  readonly ready: number;
  readonly total: number;
  readonly status: string;
  readonly restarts: number;
  readonly lastRestart: string | undefined;
}

const later = (a: string | undefined, b: string | undefined): string | undefined => {
  if (a === undefined || b === undefined) return a ?? b;
  return Date.parse(a) >= Date.parse(b) ? a : b;
};

class RestartCount {
  count = 0;
  last: string | undefined;
  add(status: ContainerStatus): void {
    this.count += status.restartCount;
    this.last = later(this.last, status.lastState?.terminated?.finishedAt);
  }
}

function exitText(terminated: { readonly exitCode: number; readonly signal?: number; readonly reason?: string }): string {
  if (terminated.reason !== undefined && terminated.reason !== "") return terminated.reason;
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`;
}

const hasCondition = (pod: Pod, type: string): boolean =>
  (pod.status?.conditions ?? []).some((condition) => condition.type === type && condition.status === "True");

/** "Init:…" of the first init container that is neither done nor a running sidecar; undefined when initialization is over. */
function initText(pod: Pod, sidecars: ReadonlySet<string>): { readonly text: string | undefined; readonly readySidecars: number } {
  let readySidecars = 0;
  for (const [i, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const { terminated, waiting } = status.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecars.has(status.name) && status.started === true) {
      if (status.ready) readySidecars += 1;
      continue;
    }
    if (terminated) return { text: `Init:${exitText(terminated)}`, readySidecars };
    if (waiting?.reason && waiting.reason !== "PodInitializing") return { text: `Init:${waiting.reason}`, readySidecars };
    return { text: `Init:${i}/${pod.spec.initContainers?.length ?? 0}`, readySidecars };
  }
  return { text: undefined, readySidecars };
}

function summarize(pod: Pod): PodSummary {
  const status = pod.status ?? {};
  const phase = status.phase ?? "";
  const gated = (status.conditions ?? []).some((c) => c.type === "PodScheduled" && c.reason === "SchedulingGated");
  const sidecars = new Set((pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === "Always").map((c) => c.name));
  let text: string = gated ? "SchedulingGated" : status.reason || phase;
  const init = initText(pod, sidecars);
  let ready = init.readySidecars;
  let restarts = new RestartCount();
  for (const container of status.initContainerStatuses ?? []) restarts.add(container);
  if (init.text !== undefined) text = init.text;
  if (init.text === undefined || hasCondition(pod, "Initialized")) {
    restarts = new RestartCount();
    for (const container of status.initContainerStatuses ?? []) if (sidecars.has(container.name)) restarts.add(container);
    let running = false;
    for (const container of [...(status.containerStatuses ?? [])].reverse()) {
      restarts.add(container);
      const state = container.state ?? {};
      if (state.waiting?.reason) text = state.waiting.reason;
      else if (state.terminated) text = exitText(state.terminated);
      else if (container.ready && state.running) {
        running = true;
        ready += 1;
      }
    }
    if (text === "Completed" && running) text = hasCondition(pod, "Ready") ? "Running" : "NotReady";
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (status.reason === "NodeLost") text = "Unknown";
    else if (phase !== "Succeeded" && phase !== "Failed") text = "Terminating";
  }
  return { ready, total: pod.spec.containers.length + sidecars.size, status: text, restarts: restarts.count, lastRestart: restarts.last };
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? [];
  if (gates.length === 0) return "<none>";
  return `${gates.filter((gate) => hasCondition(pod, gate.conditionType)).length}/${gates.length}`;
}

export const podPrinter = printer(
  Pods,
  ["Name", "Ready", "Status", "Restarts", "Age", "+IP", "+Node", "+Nominated Node", "+Readiness Gates"],
  (pod, nowMs) => {
    const { ready, total, status, restarts, lastRestart } = summarize(pod);
    return [
      pod.metadata.name,
      `${ready}/${total}`,
      status,
      restarts > 0 && lastRestart !== undefined ? `${restarts} (${ageOf(lastRestart, nowMs)} ago)` : `${restarts}`,
      ageOf(pod.metadata.creationTimestamp, nowMs),
      pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || "<none>",
      pod.spec.nodeName || "<none>",
      pod.status?.nominatedNodeName || "<none>",
      readinessGates(pod),
    ];
  },
);
