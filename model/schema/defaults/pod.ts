// Defaults of pods and of everything that has a pod template.
// Upstream: pkg/apis/core/v1/defaults.go, pkg/apis/apps/v1/defaults.go.
import type { Deployment, ReplicaSet } from "../../kinds/apps-v1.ts";
import type { Container, EphemeralContainer, HTTPGetAction, LifecycleHandler, Pod, PodSpec, Probe, Volume } from "../../kinds/core-v1.ts";
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
};

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
