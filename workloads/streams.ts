// The kubelet's streaming side: logs, exec, attach and port-forward into the containers of this process.
// Upstream: pkg/kubelet/kubelet.go (GetKubeletContainerLogs), pkg/kubelet/server, registry/core/pod/strategy.go (LogLocation).
import type { Duplex } from "node:stream";
import { badRequest, StatusError } from "../model/errors.ts";
import type { Pod } from "../model/kinds/core-v1.ts";
import type { ExecStreams, KubeletStreams, LogOptions, Network } from "../model/ports.ts";
import type { ContainerWorker } from "./kubelet/container-worker.ts";
import type { PodWorker } from "./kubelet/pod-worker.ts";
import { StartError } from "./runtimes/runtime.ts";

export interface StreamsOptions {
  readonly network: Network;
  /** The worker of a pod, whichever node it is on. */
  readonly find: (pod: Pod) => PodWorker | undefined;
  /** Made-up id of an exec, for the error text. */
  readonly execId: () => string;
}

/** Streams into the pods that `find` finds. */
export function createStreams({ network, find, execId }: StreamsOptions): KubeletStreams {
  const running = (pod: Pod, name: string): ContainerWorker => {
    const container = find(pod)?.container(name);
    if (!container?.running) throw internal(`unable to upgrade connection: container not found ("${name}")`);
    return container;
  };
  return {
    logs: (pod, container, options) => logs(find(pod), pod, container, options),
    async exec(pod, name, command, streams) {
      if (isOver(pod)) throw badRequest(`cannot exec into a container in a completed pod; current phase is ${pod.status?.phase}`);
      const container = running(pod, name);
      try {
        return await container.exec(command, streams);
      } catch (error) {
        if (!(error instanceof StartError)) throw error;
        const runc = `OCI runtime exec failed: exec failed: unable to start container process: ${error.message}`;
        throw internal(`error executing command in container: failed to exec in container: failed to start exec "${execId()}": ${runc}`);
      }
    },
    async attach(pod, name, streams) {
      if (isOver(pod)) throw badRequest(`cannot attach a container in a completed pod; current phase is ${pod.status?.phase}`);
      return attach(running(pod, name), streams);
    },
    async portForward(pod, port, signal): Promise<Duplex> {
      const worker = find(pod);
      if (pod.status?.phase !== "Running" || !worker?.peer || worker.ip === undefined) {
        throw badRequest(`unable to forward port because pod is not running. Current status=${pod.status?.phase ?? "Pending"}`);
      }
      return network.dial(worker.peer, { ip: worker.ip, port }, { signal });
    },
  };
}

const isOver = (pod: Pod): boolean => pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";

function internal(message: string): StatusError {
  return new StatusError(500, "InternalError", `Internal error occurred: ${message}`, { causes: [{ message }] });
}

function logs(worker: PodWorker | undefined, pod: Pod, name: string, options: LogOptions): AsyncIterable<string> {
  const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers, ...(pod.spec.ephemeralContainers ?? [])];
  if (!all.some((container) => container.name === name)) throw badRequest(`container ${name} is not valid for pod ${pod.metadata.name}`);
  const container = worker?.container(name);
  const log = options.previous ? container?.previousLog : container?.log;
  if (options.previous && !log) {
    throw badRequest(`previous terminated container "${name}" in pod "${pod.metadata.name}" not found`);
  }
  const begun =
    container && (container.phase === "running" || container.phase === "exited" || container.state.terminated || container.lastState);
  if (!log || !begun) {
    const waiting = container?.state.waiting;
    if (waiting && waiting.reason !== "ContainerCreating" && waiting.reason !== "PodInitializing" && waiting.message !== undefined) {
      const tried =
        waiting.reason === "ErrImagePull" || waiting.reason === "ImagePullBackOff" ? "trying and failing to pull image" : waiting.reason;
      throw badRequest(`container "${name}" in pod "${pod.metadata.name}" is waiting to start: ${tried}`);
    }
    if (!pod.spec.nodeName) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
    throw badRequest(`container "${name}" in pod "${pod.metadata.name}" is waiting to start: ${waiting?.reason ?? "ContainerCreating"}`);
  }
  return log.read(options);
}

/** The first to attach also gets what was written before, so that a shell's prompt is not lost. */
async function attach(container: ContainerWorker, streams: ExecStreams): Promise<number> {
  const { sandbox, log } = container;
  if (container.firstAttach) streams.stdout.write(log.text());
  const release = log.tap((chunk, stream) => void (stream === "stderr" && !streams.tty ? streams.stderr : streams.stdout).write(chunk));
  const input = streams.stdin;
  if (input && sandbox?.input) input.pipe(sandbox.input, { end: container.spec.stdinOnce ?? false });
  const left = new Promise<number>((resolve) => {
    if (streams.signal.aborted) resolve(0);
    streams.signal.addEventListener("abort", () => resolve(0), { once: true });
  });
  try {
    return await Promise.race([container.exited(), left]);
  } finally {
    release();
    input?.unpipe();
  }
}
