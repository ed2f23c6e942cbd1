// The scheduler: gives each pod without a node the best node that can take it, or says why none can.
// Upstream: pkg/scheduler/schedule_one.go. Left out: preemption, profiles, extenders; all waiting pods are placed in one pass over one snapshot.
import { nextTurn, timestamp, type Clock } from "../../model/clock.ts";
import { isStatus } from "../../model/errors.ts";
import type { Pod, PodCondition } from "../../model/kinds/core-v1.ts";
import type { Component } from "../../model/ports.ts";
import { Nodes, Pods, Services } from "../../model/resources.ts";
import type { Store } from "../../store/contract.ts";
import { createController, on } from "../../store/controller.ts";
import { createEventRecorder, type EventRecorder } from "../../store/event-recorder.ts";
import type { ControllerDependencies } from "../controllers/dependencies.ts";
import { isPodFinished } from "../controllers/pod-conditions.ts";
import { refusal } from "./filters.ts";
import { NodeInfo } from "./node-info.ts";
import { bestNode } from "./score.ts";

/** Pods placed between two turns of the event loop. */
const SLICE = 8;

/** Binds pods to nodes. */
export function createScheduler({ store, clock, random }: ControllerDependencies): Component {
  const recorder = createEventRecorder({ store, clock, component: "default-scheduler" });
  const seed = String(random.int(0x7fffffff));
  return createController({
    name: "scheduler",
    store,
    clock,
    watches: [
      on(Pods, (pod) =>
        waiting(pod) || isPodFinished(pod) || store.get(Pods, pod.metadata.namespace ?? "", pod.metadata.name) !== pod ? ["pods"] : [],
      ),
      on(Nodes, () => ["pods"]),
    ],
    reconcile: () => placeAll(store, clock, recorder, seed),
  });
}

const waiting = (pod: Pod): boolean =>
  !pod.spec.nodeName &&
  pod.metadata.deletionTimestamp === undefined &&
  (pod.spec.schedulerName ?? "default-scheduler") === "default-scheduler" &&
  (pod.spec.schedulingGates ?? []).length === 0 &&
  !isPodFinished(pod);

async function placeAll(store: Store, clock: Clock, recorder: EventRecorder, seed: string): Promise<void> {
  const pods = store.list(Pods);
  const queue = pods.filter(waiting).toSorted(byPriorityAndAge);
  if (queue.length === 0) return;
  const infos = store.list(Nodes).map((node) => new NodeInfo(node));
  const byName = new Map(infos.map((info) => [info.node.metadata.name, info]));
  for (const pod of pods) if (pod.spec.nodeName && !isPodFinished(pod)) byName.get(pod.spec.nodeName)?.add(pod);
  const services = store.list(Services);
  for (const [index, pod] of queue.entries()) {
    if (index % SLICE === SLICE - 1) await nextTurn();
    const refusals = infos.map((info) => refusal(pod, info, infos));
    const candidates = infos.filter((_, node) => refusals[node]?.length === 0);
    const best = bestNode(pod, candidates, services, seed);
    if (!best) {
      await tellUnschedulable(store, clock, recorder, pod, unschedulableMessage(refusals));
      continue;
    }
    const bound = await bind(store, pod, best.node.metadata.name);
    if (!bound) continue;
    best.add(bound);
    const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
    recorder.event(bound, "Normal", "Scheduled", `Successfully assigned ${name} to ${best.node.metadata.name}`);
  }
}

function byPriorityAndAge(a: Pod, b: Pod): number {
  return (
    (b.spec.priority ?? 0) - (a.spec.priority ?? 0) ||
    Date.parse(a.metadata.creationTimestamp ?? "") - Date.parse(b.metadata.creationTimestamp ?? "") ||
    Number(a.metadata.resourceVersion ?? 0) - Number(b.metadata.resourceVersion ?? 0)
  );
}

async function bind(store: Store, pod: Pod, nodeName: string): Promise<Pod | undefined> {
  try {
    return await store.update(Pods, { ...pod, spec: { ...pod.spec, nodeName } }, { subresource: "binding" });
  } catch (error) {
    if (isStatus(error, "NotFound") || isStatus(error, "Conflict")) return undefined;
    throw error;
  }
}

/** `0/3 nodes are available: …`, as upstream's FitError words it. */
export function unschedulableMessage(refusals: readonly (readonly string[])[]): string {
  if (refusals.length === 0) return "no nodes available to schedule pods";
  const counts = new Map<string, number>();
  for (const reason of refusals.flat()) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const reasons = [...counts].map(([reason, count]) => `${count} ${reason}`).toSorted();
  const total = refusals.length;
  const resolvable = refusals.filter((reasons) =>
    reasons.some((reason) => /^(Insufficient|Too many)|free ports|anti-affinity/.test(reason)),
  ).length;
  const hopeless = total - resolvable;
  const preemption = [
    ...(resolvable > 0 ? [`${resolvable} No preemption victims found for incoming pod`] : []),
    ...(hopeless > 0 ? [`${hopeless} Preemption is not helpful for scheduling`] : []),
  ].toSorted();
  return `0/${total} nodes are available: ${reasons.join(", ")}. preemption: 0/${total} nodes are available: ${preemption.join(", ")}.`;
}

async function tellUnschedulable(store: Store, clock: Clock, recorder: EventRecorder, pod: Pod, message: string): Promise<void> {
  const old = pod.status?.conditions?.find((condition) => condition.type === "PodScheduled");
  if (old?.message === message) return;
  recorder.event(pod, "Warning", "FailedScheduling", message);
  const condition: PodCondition = {
    type: "PodScheduled",
    status: "False",
    lastTransitionTime: old?.status === "False" ? (old.lastTransitionTime ?? timestamp(clock)) : timestamp(clock),
    reason: "Unschedulable",
    message,
  };
  const others = (pod.status?.conditions ?? []).filter((other) => other.type !== "PodScheduled");
  try {
    await store.update(
      Pods,
      { ...pod, status: { ...pod.status, phase: "Pending", conditions: [...others, condition] } },
      { subresource: "status" },
    );
  } catch (error) {
    if (!isStatus(error, "NotFound") && !isStatus(error, "Conflict")) throw error;
  }
}
