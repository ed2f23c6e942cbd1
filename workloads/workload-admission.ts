// Admission of what makes pods: the labels and selector of a Job, the template generation of a DaemonSet.
// Upstream: pkg/registry/batch/job/strategy.go generateSelector, pkg/registry/apps/daemonset/strategy.go.
import type { DaemonSet } from "../model/kinds/apps-v1.ts";
import type { Job } from "../model/kinds/batch-v1.ts";
import { type Draft, equalJson } from "../model/object.ts";
import { DaemonSets, Jobs } from "../model/resources.ts";
import type { Admission } from "../store/contract.ts";

const GENERATION = "deprecated.daemonset.template.generation";

/** A Job's pods are told from all others by its uid, unless the user brings a selector and says so. */
export const jobSelector: Admission = {
  name: "JobSelector",
  types: [Jobs],
  operations: ["CREATE"],
  admit({ object }) {
    const { metadata, spec } = object as Draft<Job>;
    if (spec.manualSelector) return;
    const { uid = "", name } = metadata;
    const own = {
      "batch.kubernetes.io/controller-uid": uid,
      "controller-uid": uid,
      "batch.kubernetes.io/job-name": name,
      "job-name": name,
    };
    spec.template.metadata.labels = { ...spec.template.metadata.labels, ...own };
    spec.selector ??= { matchLabels: { "batch.kubernetes.io/controller-uid": uid } };
    if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...spec.template.metadata.labels };
  },
};

/** How many templates a DaemonSet has had, as its annotation tells and its pods' label repeats. */
export const daemonSetGeneration: Admission = {
  name: "DaemonSetTemplateGeneration",
  types: [DaemonSets],
  operations: ["CREATE", "UPDATE"],
  admit({ object, old, subresource }) {
    if (subresource !== undefined) return;
    const { metadata, spec } = object as Draft<DaemonSet>;
    const before = old as DaemonSet | undefined;
    const had = Number(before?.metadata.annotations?.[GENERATION] ?? 0);
    const changed = before === undefined || !equalJson(before.spec.template, spec.template);
    metadata.annotations = { ...metadata.annotations, [GENERATION]: String(changed ? had + 1 : had) };
  },
};
