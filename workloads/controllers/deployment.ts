// The Deployment controller: a ReplicaSet per template, moved from one to the next as the strategy says.
// Upstream: pkg/controller/deployment/deployment_controller.go, sync.go, rolling.go, recreate.go. Left out: the deprecated rollback annotation.
import { nextTurn, type Clock } from "../../model/clock.ts";
import { isStatus } from "../../model/errors.ts";
import type { Deployment, DeploymentStatus, ReplicaSet } from "../../model/kinds/apps-v1.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import { controllerOf, keyOf, namespaceOf, objectKey, splitKey } from "../../model/object.ts";
import type { Component } from "../../model/ports.ts";
import { Deployments, Pods, ReplicaSets } from "../../model/resources.ts";
import { compileLabelSelector } from "../../model/selectors.ts";
import type { Store } from "../../store/contract.ts";
import { createController, on } from "../../store/controller.ts";
import { createEventRecorder, type EventRecorder } from "../../store/event-recorder.ts";
import { claim } from "./adoption.ts";
import type { ControllerDependencies } from "./dependencies.ts";
import { buildNewSet, findNewSet, refreshNewSet, REVISION, revisionOf, sizeAnnotations, surplusSets } from "./deployment-revisions.ts";
import { conditionOf, deploymentStatus, hasDeadline, isComplete, withCondition, withProgress } from "./deployment-status.ts";
import { isPodFinished } from "./pod-conditions.ts";
import { isScaling, proportionalScale, replicasOf, rollingStep, type Scale } from "./rolling-update.ts";

/** Drives every Deployment's rollout. */
export function createDeploymentController({ store, clock }: ControllerDependencies): Component {
  const recorder = createEventRecorder({ store, clock, component: "deployment-controller" });
  return createController({
    name: "deployment",
    store,
    clock,
    watches: [
      on(Deployments, (deployment) => [keyOf(deployment)]),
      on(ReplicaSets, (set) => deploymentsOf(store, set)),
      on(Pods, (pod) => recreating(store, pod)),
    ],
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const deployment = store.get(Deployments, namespace, name);
      if (!deployment) return;
      await nextTurn();
      try {
        return await new Rollout(store, clock, recorder, deployment).reconcile();
      } catch (error) {
        // Deleted meanwhile: there is nothing left to do.
        if (!isStatus(error, "NotFound")) throw error;
      }
    },
  });
}

function deploymentsOf(store: Store, set: ReplicaSet): readonly string[] {
  const namespace = namespaceOf(set);
  const controller = controllerOf(set);
  if (controller) return controller.kind === "Deployment" ? [objectKey(namespace, controller.name)] : [];
  return store
    .list(Deployments, { namespace })
    .filter((deployment) => compileLabelSelector(deployment.spec.selector)(set.metadata.labels))
    .map(keyOf);
}

/** A pod matters by itself only to a Deployment that waits for its old pods to be gone. */
function recreating(store: Store, pod: Pod): readonly string[] {
  const controller = controllerOf(pod);
  const set = controller?.kind === "ReplicaSet" ? store.get(ReplicaSets, namespaceOf(pod), controller.name) : undefined;
  const owner = set && controllerOf(set);
  const deployment = owner?.kind === "Deployment" ? store.get(Deployments, namespaceOf(pod), owner.name) : undefined;
  return deployment?.spec.strategy?.type === "Recreate" ? [keyOf(deployment)] : [];
}

class Rollout {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #recorder: EventRecorder;
  #deployment: Deployment;

  constructor(store: Store, clock: Clock, recorder: EventRecorder, deployment: Deployment) {
    this.#store = store;
    this.#clock = clock;
    this.#recorder = recorder;
    this.#deployment = deployment;
  }
  async reconcile(): Promise<{ readonly requeueAfterMs?: number } | void> {
    const deployment = this.#deployment;
    const sets = await claim({
      store: this.#store,
      type: ReplicaSets,
      owner: deployment,
      matches: compileLabelSelector(deployment.spec.selector),
    });
    const newSet = findNewSet(deployment, sets);
    const oldSets = sets.filter((set) => set !== newSet);
    if (deployment.metadata.deletionTimestamp !== undefined)
      return this.#writeStatus(deploymentStatus(deployment, newSet, sets, this.#clock));
    await this.#markPaused();
    if (deployment.spec.paused || isScaling(deployment, sets)) return this.#scaleOnly(newSet, oldSets);
    return deployment.spec.strategy?.type === "Recreate" ? this.#recreate(newSet, oldSets) : this.#roll(newSet, oldSets);
  }

  async #markPaused(): Promise<void> {
    const deployment = this.#deployment;
    if (!hasDeadline(deployment)) return;
    const conditions = deployment.status?.conditions ?? [];
    const current = conditionOf(conditions, "Progressing");
    if (current?.reason === "ProgressDeadlineExceeded") return;
    const pausedBefore = current?.reason === "DeploymentPaused";
    if (deployment.spec.paused && !pausedBefore) {
      await this.#writeConditions(
        withCondition(conditions, this.#clock, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"),
      );
    } else if (!deployment.spec.paused && pausedBefore) {
      await this.#writeConditions(
        withCondition(conditions, this.#clock, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"),
      );
    }
  }

  async #scaleOnly(newSet: ReplicaSet | undefined, oldSets: readonly ReplicaSet[]): Promise<void> {
    const refreshed = newSet && (await this.#refresh(newSet, oldSets));
    const all = await this.#apply(proportionalScale(this.#deployment, refreshed, oldSets), refreshed ? [...oldSets, refreshed] : oldSets);
    const current = all.find((set) => set.metadata.uid === refreshed?.metadata.uid);
    const olds = all.filter((set) => set !== current);
    if (this.#deployment.spec.paused) await this.#cleanUp(olds);
    await this.#writeStatus(deploymentStatus(this.#deployment, current, all, this.#clock));
  }

  async #roll(found: ReplicaSet | undefined, oldSets: readonly ReplicaSet[]): Promise<{ readonly requeueAfterMs?: number } | void> {
    const newSet = await this.#newSet(found, oldSets);
    if (!newSet) return { requeueAfterMs: 0 };
    const steps = rollingStep(this.#deployment, newSet, oldSets);
    const all = await this.#apply(steps, [...oldSets, newSet]);
    return this.#finish(newSet, all);
  }

  async #recreate(found: ReplicaSet | undefined, oldSets: readonly ReplicaSet[]): Promise<{ readonly requeueAfterMs?: number } | void> {
    const active = oldSets.filter((set) => replicasOf(set) > 0);
    if (active.length > 0) {
      const all = await this.#apply(
        active.map((set) => ({ set, replicas: 0 })),
        found ? [...oldSets, found] : oldSets,
      );
      return this.#syncProgress(found, all);
    }
    const uids = new Set(oldSets.map((set) => set.metadata.uid));
    const oldPodsLive = this.#store
      .list(Pods, { namespace: namespaceOf(this.#deployment) })
      .some((pod) => uids.has(controllerOf(pod)?.uid) && !isPodFinished(pod));
    if (oldPodsLive) return this.#syncProgress(found, found ? [...oldSets, found] : oldSets);
    const newSet = await this.#newSet(found, oldSets);
    if (!newSet) return { requeueAfterMs: 0 };
    const desired = this.#deployment.spec.replicas ?? 1;
    const steps = replicasOf(newSet) === desired ? [] : [{ set: newSet, replicas: desired }];
    return this.#finish(newSet, await this.#apply(steps, [...oldSets, newSet]));
  }

  async #finish(newSet: ReplicaSet, all: readonly ReplicaSet[]): Promise<{ readonly requeueAfterMs?: number } | void> {
    const current = all.find((set) => set.metadata.uid === newSet.metadata.uid) ?? newSet;
    const status = deploymentStatus(this.#deployment, current, all, this.#clock);
    if (isComplete(this.#deployment, status)) await this.#cleanUp(all.filter((set) => set !== current));
    return this.#syncProgress(current, all);
  }

  async #syncProgress(newSet: ReplicaSet | undefined, all: readonly ReplicaSet[]): Promise<{ readonly requeueAfterMs?: number } | void> {
    const counted = deploymentStatus(this.#deployment, newSet, all, this.#clock);
    const { status, requeueAfterMs } = withProgress(this.#deployment, newSet, all, counted, this.#clock);
    await this.#writeStatus(status);
    return requeueAfterMs === undefined ? undefined : { requeueAfterMs };
  }

  /** The ReplicaSet of the present template, found or created; undefined when its name was taken and another hash must be tried. */
  async #newSet(found: ReplicaSet | undefined, oldSets: readonly ReplicaSet[]): Promise<ReplicaSet | undefined> {
    if (found) {
      const refreshed = await this.#refresh(found, oldSets);
      await this.#progressCondition("FoundNewReplicaSet", `Found new replica set "${found.metadata.name}"`, true);
      return refreshed;
    }
    const wanted = buildNewSet(this.#deployment, oldSets);
    try {
      const created = await this.#store.create(ReplicaSets, wanted);
      if (replicasOf(created) > 0) this.#tellScaled(created, 0, replicasOf(created));
      await this.#annotateRevision(created);
      await this.#progressCondition("NewReplicaSetCreated", `Created new replica set "${created.metadata.name}"`, false);
      return created;
    } catch (error) {
      if (isStatus(error, "AlreadyExists")) {
        const collisionCount = (this.#deployment.status?.collisionCount ?? 0) + 1;
        await this.#writeStatus({ ...this.#deployment.status, collisionCount });
        return undefined;
      }
      if (error instanceof Error && hasDeadline(this.#deployment)) {
        const conditions = this.#deployment.status?.conditions ?? [];
        const message = `Failed to create new replica set "${wanted.metadata.name}": ${error.message}`;
        await this.#writeConditions(withCondition(conditions, this.#clock, "Progressing", "False", "ReplicaSetCreateError", message));
      }
      throw error;
    }
  }

  async #refresh(set: ReplicaSet, oldSets: readonly ReplicaSet[]): Promise<ReplicaSet> {
    const wanted = refreshNewSet(this.#deployment, set, oldSets);
    const stored = wanted === set ? set : await this.#store.update(ReplicaSets, wanted);
    await this.#annotateRevision(stored);
    return stored;
  }

  async #annotateRevision(set: ReplicaSet): Promise<void> {
    const revision = String(revisionOf(set));
    const deployment = this.#deployment;
    if (deployment.metadata.annotations?.[REVISION] === revision) return;
    const annotations = { ...deployment.metadata.annotations, [REVISION]: revision };
    this.#deployment = await this.#store.update(Deployments, { ...deployment, metadata: { ...deployment.metadata, annotations } });
  }

  /** Progress is told once per rollout: when a set is found, only if nothing was said before. */
  async #progressCondition(reason: string, message: string, onlyIfAbsent: boolean): Promise<void> {
    const conditions = this.#deployment.status?.conditions ?? [];
    if (!hasDeadline(this.#deployment) || (onlyIfAbsent && conditionOf(conditions, "Progressing"))) return;
    await this.#writeConditions(withCondition(conditions, this.#clock, "Progressing", "True", reason, message));
  }

  /** Writes the new sizes and the size annotations; returns all sets as they are then. */
  async #apply(steps: readonly Scale[], all: readonly ReplicaSet[]): Promise<readonly ReplicaSet[]> {
    const wanted = sizeAnnotations(this.#deployment);
    const result: ReplicaSet[] = [];
    for (const set of all) {
      const step = steps.find((candidate) => candidate.set === set);
      const replicas = step?.replicas ?? replicasOf(set);
      const annotated = replicas === 0 || Object.entries(wanted).every(([key, value]) => set.metadata.annotations?.[key] === value);
      if (replicas === replicasOf(set) && annotated) {
        result.push(set);
        continue;
      }
      const annotations = { ...set.metadata.annotations, ...wanted };
      result.push(
        await this.#store.update(ReplicaSets, { ...set, metadata: { ...set.metadata, annotations }, spec: { ...set.spec, replicas } }),
      );
      if (replicas !== replicasOf(set)) this.#tellScaled(set, replicasOf(set), replicas);
    }
    return result;
  }

  #tellScaled(set: ReplicaSet, from: number, to: number): void {
    const direction = to > from ? "up" : "down";
    this.#recorder.event(
      this.#deployment,
      "Normal",
      "ScalingReplicaSet",
      `Scaled ${direction} replica set ${set.metadata.name} from ${from} to ${to}`,
    );
  }

  async #cleanUp(oldSets: readonly ReplicaSet[]): Promise<void> {
    for (const set of surplusSets(this.#deployment, oldSets)) {
      try {
        await this.#store.delete(ReplicaSets, namespaceOf(set), set.metadata.name);
      } catch (error) {
        if (!isStatus(error, "NotFound")) throw error;
      }
    }
  }

  async #writeConditions(conditions: DeploymentStatus["conditions"]): Promise<void> {
    await this.#writeStatus({ ...this.#deployment.status, conditions: conditions ?? [] });
  }

  async #writeStatus(status: DeploymentStatus): Promise<void> {
    this.#deployment = await this.#store.update(Deployments, { ...this.#deployment, status }, { subresource: "status" });
  }
}
