// `kubectl get deployment x --subresource=scale`. Upstream: printers/internalversion printScale.
import type { KubeObject } from "../../model/object.ts";
import { defineResource } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

/** autoscaling/v1 Scale: what the scale subresource of any resource speaks. */
export interface Scale extends KubeObject {
  readonly spec: { readonly replicas: number };
  readonly status: { readonly replicas: number; readonly selector?: string };
}

export const Scales = defineResource<Scale>("autoscaling/v1", "autoscaling/v1", "Scale", "scales");

export const scalePrinter = printer(Scales, ["Name", "#Desired", "#Available", "Age"], ({ metadata, spec, status }, nowMs) => [
  metadata.name,
  spec.replicas,
  status.replicas,
  ageOf(metadata.creationTimestamp, nowMs),
]);
