// What a Job's pods are like, and which indexes of an Indexed Job are done. Pure.
// Upstream: pkg/controller/job/indexed_job_utils.go.
import type { Job } from "../../model/kinds/batch-v1.ts";
import type { Container, EnvVar, Pod } from "../../model/kinds/core-v1.ts";
import { podFromTemplate } from "./pod-template.ts";

const INDEX = "batch.kubernetes.io/job-completion-index";
const MAX_HOST_NAME = 63;

export const isIndexed = (job: Job): boolean => job.spec.completionMode === "Indexed";

/** The completion index that a pod of an Indexed Job works on. */
export function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[INDEX];
  return text === undefined ? undefined : Number(text);
}

/** A Job's pod, for an index when the Job is Indexed; not yet created. */
export function podOfJob(job: Job, index: number | undefined): Pod {
  const { name } = job.metadata;
  if (index === undefined) return podFromTemplate(job, job.spec.template, { generateName: `${name}-` });
  const marks = { [INDEX]: String(index) };
  const pod = podFromTemplate(job, job.spec.template, { generateName: `${name}-${index}-`, labels: marks, annotations: marks });
  const variable: EnvVar = {
    name: "JOB_COMPLETION_INDEX",
    valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: `metadata.labels['${INDEX}']` } },
  };
  const told = (container: Container): Container => ({ ...container, env: [...(container.env ?? []), variable] });
  const { containers, initContainers } = pod.spec;
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: containers.map(told),
      ...(initContainers ? { initContainers: initContainers.map(told) } : {}),
      hostname: `${name}-${index}`.slice(0, MAX_HOST_NAME),
    },
  };
}

/** Indexes as status tells them: `0-2,5`. */
export function indexesText(indexes: Iterable<number>): string {
  const sorted = [...new Set(indexes)].toSorted((a, b) => a - b);
  const parts: string[] = [];
  for (let start = 0; start < sorted.length;) {
    let end = start;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++;
    const [low = 0, high = 0] = [sorted[start], sorted[end]];
    parts.push(low === high ? String(low) : high === low + 1 ? `${low},${high}` : `${low}-${high}`);
    start = end + 1;
  }
  return parts.join(",");
}

/** The lowest indexes that neither are done nor are being worked on. */
export function indexesToStart(job: Job, taken: ReadonlySet<number>, count: number): readonly number[] {
  const found: number[] = [];
  for (let index = 0; index < (job.spec.completions ?? 0) && found.length < count; index++) if (!taken.has(index)) found.push(index);
  return found;
}
