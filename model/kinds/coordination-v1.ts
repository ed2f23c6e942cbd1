// The types of coordination/v1. Generated from model/schema/types.json by scripts/generate-kinds.ts: do not edit.
import type { ObjectMeta } from "../object.ts";

export type CoordinatedLeaseStrategy = string;

export interface Lease {
  readonly apiVersion: "coordination.k8s.io/v1";
  readonly kind: "Lease";
  readonly metadata: ObjectMeta;
  readonly spec: LeaseSpec;
}

export interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
  readonly strategy?: CoordinatedLeaseStrategy;
  readonly preferredHolder?: string;
}
