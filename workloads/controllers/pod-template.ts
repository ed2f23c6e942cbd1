// A pod made from a workload's template: its labels, annotations and owner. Upstream: pkg/controller/controller_utils.go GetPodFromTemplate.
import type { Pod, PodTemplateSpec } from "../../model/kinds/core-v1.ts";
import { namespaceOf, type KubeObject } from "../../model/object.ts";
import { controllerReference } from "./adoption.ts";

interface Naming {
  readonly name?: string;
  readonly generateName?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The pod, not yet created; `labels` and `annotations` are put over the template's. */
export function podFromTemplate(owner: KubeObject, template: PodTemplateSpec | undefined, naming: Naming): Pod {
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  const allLabels = { ...labels, ...naming.labels };
  const allAnnotations = { ...annotations, ...naming.annotations };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: naming.name ?? "",
      ...(naming.generateName === undefined ? {} : { generateName: naming.generateName }),
      namespace: namespaceOf(owner),
      ...(Object.keys(allLabels).length > 0 ? { labels: allLabels } : {}),
      ...(Object.keys(allAnnotations).length > 0 ? { annotations: allAnnotations } : {}),
      ...(finalizers ? { finalizers } : {}),
      ownerReferences: [controllerReference(owner)],
    },
    spec: template?.spec ?? { containers: [] },
  };
}
