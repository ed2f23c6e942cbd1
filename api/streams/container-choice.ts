// Which container of a pod a log, exec or attach request means, and whether it can be entered.
// Upstream: pkg/registry/core/pod/strategy.go (container choice), pkg/kubelet/kubelet_pods.go (findContainer).
import { badRequest } from "../../model/errors.ts";
import type { ContainerStatus, Pod } from "../../model/kinds/core-v1.ts";

/** The container of that name, or the only one when `name` is empty. Throws 400 BadRequest with the choices. */
export function chooseContainer(pod: Pod, name: string): string {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const names = [...initContainers, ...containers, ...ephemeralContainers].map((container) => container.name);
  if (name !== "") {
    if (names.includes(name)) return name;
    throw badRequest(`container ${name} is not valid for pod ${pod.metadata.name}`);
  }
  const [only, ...others] = containers;
  if (only && others.length === 0) return only.name;
  const choices = only ? `, choose one of: [${names.join(" ")}]` : "";
  throw badRequest(`a container name must be specified for pod ${pod.metadata.name}${choices}`);
}

/** Throws 400 BadRequest for a pod that no node has yet. */
export function requireNode(pod: Pod): void {
  if (!pod.spec?.nodeName) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
}

/** What the kubelet answers instead of an upgrade when the container does not run, else undefined. */
export function notRunningMessage(pod: Pod, container: string): string | undefined {
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  const statuses: readonly ContainerStatus[] = [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses];
  const running = statuses.some((status) => status.name === container && status.state?.running !== undefined);
  return running ? undefined : `container not found (${JSON.stringify(container)})`;
}
