// Defaults of pods and of everything that has a pod template.
// Upstream: pkg/apis/core/v1/defaults.go, pkg/apis/apps/v1/defaults.go.
import type { DaemonSet, Deployment, ReplicaSet, StatefulSet } from "../../kinds/apps-v1.ts";
import type {
  Container,
  EphemeralContainer,
  HTTPGetAction,
  LifecycleHandler,
  PersistentVolumeClaim,
  Pod,
  PodSpec,
  Probe,
  Volume,
} from "../../kinds/core-v1.ts";
import type { CronJob, Job, JobSpec } from "../../kinds/batch-v1.ts";
import type { Draft } from "../../object.ts";

export const defaultPods = {
  "core/v1.Pod": (pod: Draft<Pod>): void => {
    defaultPodSpec(pod.spec);
    pod.spec.enableServiceLinks ??= true;
    for (const container of [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])]) requestLimits(container);
  },
  "apps/v1.Deployment": (deployment: Draft<Deployment>): void => {
    const { spec } = deployment;
    defaultPodSpec((spec.template.spec ??= { containers: [] }));
    spec.replicas ??= 1;
    const strategy = (spec.strategy ??= {});
    strategy.type ??= "RollingUpdate";
    if (strategy.type === "RollingUpdate") {
      strategy.rollingUpdate = { maxUnavailable: "25%", maxSurge: "25%", ...strategy.rollingUpdate };
    }
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
  },
  "apps/v1.ReplicaSet": (replicaSet: Draft<ReplicaSet>): void => {
    replicaSet.spec.replicas ??= 1;
    if (replicaSet.spec.template) defaultPodSpec((replicaSet.spec.template.spec ??= { containers: [] }));
  },
  "apps/v1.StatefulSet": ({ spec }: Draft<StatefulSet>): void => {
    defaultPodSpec((spec.template.spec ??= { containers: [] }));
    spec.podManagementPolicy ??= "OrderedReady";
    const strategy = (spec.updateStrategy ??= {});
    if (strategy.type === undefined) {
      strategy.type = "RollingUpdate";
      strategy.rollingUpdate ??= {};
    }
    if (strategy.type === "RollingUpdate" && strategy.rollingUpdate) strategy.rollingUpdate.partition ??= 0;
    spec.persistentVolumeClaimRetentionPolicy = {
      whenDeleted: "Retain",
      whenScaled: "Retain",
      ...spec.persistentVolumeClaimRetentionPolicy,
    };
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    for (const claim of spec.volumeClaimTemplates ?? []) {
      claim.apiVersion ??= "v1";
      claim.kind ??= "PersistentVolumeClaim";
      claim.spec.volumeMode ??= "Filesystem";
      claim.status = { phase: "Pending", ...claim.status };
    }
  },
  "apps/v1.DaemonSet": ({ spec }: Draft<DaemonSet>): void => {
    defaultPodSpec((spec.template.spec ??= { containers: [] }));
    const strategy = (spec.updateStrategy ??= {});
    strategy.type ??= "RollingUpdate";
    if (strategy.type === "RollingUpdate") strategy.rollingUpdate = { maxUnavailable: 1, maxSurge: 0, ...strategy.rollingUpdate };
    spec.revisionHistoryLimit ??= 10;
  },
  "batch/v1.Job": (job: Draft<Job>): void => {
    const { labels } = job.spec.template.metadata;
    if (labels && Object.keys(job.metadata.labels ?? {}).length === 0) job.metadata.labels = { ...labels };
    defaultJob(job.spec);
  },
  "batch/v1.CronJob": ({ spec }: Draft<CronJob>): void => {
    defaultPodSpec((spec.jobTemplate.spec.template.spec ??= { containers: [] }));
    spec.concurrencyPolicy ??= "Allow";
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
  },
  "core/v1.PersistentVolumeClaim": (claim: Draft<PersistentVolumeClaim>): void => {
    claim.spec.volumeMode ??= "Filesystem";
    claim.status = { phase: "Pending", ...claim.status };
  },
};

const BACKOFF_LIMIT = 6;
const MAX_INT32 = 2_147_483_647;

function defaultJob(spec: Draft<JobSpec>): void {
  defaultPodSpec((spec.template.spec ??= { containers: [] }));
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? BACKOFF_LIMIT : MAX_INT32;
  spec.completionMode ??= "NonIndexed";
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? "Failed" : "TerminatingOrFailed";
  spec.manualSelector ??= false;
}

function defaultPodSpec(spec: Draft<PodSpec>): void {
  spec.restartPolicy ??= "Always";
  spec.terminationGracePeriodSeconds ??= 30;
  spec.dnsPolicy ??= "ClusterFirst";
  spec.securityContext ??= {};
  spec.schedulerName ??= "default-scheduler";
  if (spec.serviceAccountName !== undefined) spec.serviceAccount ??= spec.serviceAccountName;
  else if (spec.serviceAccount !== undefined) spec.serviceAccountName = spec.serviceAccount;
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];
  for (const container of containers) {
    defaultContainer(container);
    if (spec.hostNetwork) for (const port of container.ports ?? []) port.hostPort ??= port.containerPort;
  }
}

function defaultContainer(container: Draft<Container> | Draft<EphemeralContainer>): void {
  container.terminationMessagePath ??= "/dev/termination-log";
  container.terminationMessagePolicy ??= "File";
  container.imagePullPolicy ??= imageTag(container.image ?? "") === "latest" ? "Always" : "IfNotPresent";
  for (const port of container.ports ?? []) port.protocol ??= "TCP";
  for (const variable of container.env ?? []) {
    const reference = variable.valueFrom?.fieldRef;
    if (reference) reference.apiVersion ??= "v1";
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) if (probe) defaultProbe(probe);
  for (const handler of [container.lifecycle?.postStart, container.lifecycle?.preStop]) defaultHandler(handler);
}

/** The tag of an image reference: "latest" when it has neither tag nor digest, "" when it has a digest only. */
export function imageTag(image: string): string {
  const [name = "", digest] = image.split("@");
  const tag = /:([\w][\w.-]{0,127})$/.exec(name)?.[1];
  return tag ?? (digest === undefined ? "latest" : "");
}

function defaultProbe(probe: Draft<Probe>): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  if (probe.httpGet) defaultHttpGet(probe.httpGet);
}

function defaultHandler(handler: Draft<LifecycleHandler> | undefined): void {
  if (handler?.httpGet) defaultHttpGet(handler.httpGet);
}

function defaultHttpGet(action: Draft<HTTPGetAction>): void {
  action.path ||= "/";
  action.scheme ??= "HTTP";
}

const FILE_MODE = 0o644;

function defaultVolume(volume: Draft<Volume>): void {
  if (Object.keys(volume).every((key) => key === "name")) volume.emptyDir = {};
  if (volume.secret) volume.secret.defaultMode ??= FILE_MODE;
  if (volume.configMap) volume.configMap.defaultMode ??= FILE_MODE;
  if (volume.hostPath) volume.hostPath.type ??= "";
  if (volume.downwardAPI) volume.downwardAPI.defaultMode ??= FILE_MODE;
  if (volume.projected) volume.projected.defaultMode ??= FILE_MODE;
  const projected = volume.projected?.sources ?? [];
  const items = [...(volume.downwardAPI?.items ?? []), ...projected.flatMap((source) => source.downwardAPI?.items ?? [])];
  for (const { fieldRef } of items) if (fieldRef) fieldRef.apiVersion ??= "v1";
  for (const { serviceAccountToken } of projected) if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= 3600;
  const claim = volume.ephemeral?.volumeClaimTemplate;
  if (claim) claim.spec.volumeMode ??= "Filesystem";
}

/** A limit without a request is the request. Pods only: a template keeps what was written. */
function requestLimits(container: Draft<Container>): void {
  const limits = container.resources?.limits;
  if (!limits || !container.resources) return;
  container.resources.requests = { ...limits, ...container.resources.requests };
}
