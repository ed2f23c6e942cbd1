// The types of autoscaling/v1. Generated from model/schema/types.json by scripts/generate-kinds.ts: do not edit.
import type { ObjectMeta } from "../object.ts";

export interface Scale {
  readonly apiVersion: "autoscaling/v1";
  readonly kind: "Scale";
  readonly metadata: ObjectMeta;
  readonly spec: ScaleSpec;
  readonly status?: ScaleStatus;
}

export interface ScaleSpec {
  readonly replicas?: number;
}

export interface ScaleStatus {
  readonly replicas: number;
  readonly selector?: string;
}
