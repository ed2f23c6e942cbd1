// The types of meta/v1. Generated from model/schema/types.json by scripts/generate-kinds.ts: do not edit.
import type { JsonObject } from "../json.ts";

export interface Condition {
  readonly type: string;
  readonly status: ConditionStatus;
  readonly observedGeneration?: number;
  readonly lastTransitionTime: string;
  readonly reason: string;
  readonly message: string;
}

export type ConditionStatus = string;

export interface DeleteOptions {
  readonly apiVersion: "meta/v1";
  readonly kind: "DeleteOptions";
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: Preconditions;
  readonly orphanDependents?: boolean;
  readonly propagationPolicy?: DeletionPropagation;
  readonly dryRun?: readonly string[];
  readonly ignoreStoreReadErrorWithClusterBreakingPotential?: boolean;
}

export type DeletionPropagation = string;

export type FieldSelectorOperator = string;

export interface FieldSelectorRequirement {
  readonly key: string;
  readonly operator: FieldSelectorOperator;
  readonly values?: readonly string[];
}

export interface LabelSelector {
  readonly matchLabels?: { readonly [key: string]: string };
  readonly matchExpressions?: readonly LabelSelectorRequirement[];
}

export type LabelSelectorOperator = string;

export interface LabelSelectorRequirement {
  readonly key: string;
  readonly operator: LabelSelectorOperator;
  readonly values?: readonly string[];
}

export interface ManagedFieldsEntry {
  readonly manager?: string;
  readonly operation?: ManagedFieldsOperationType;
  readonly apiVersion?: string;
  readonly time?: string;
  readonly fieldsType?: string;
  readonly fieldsV1?: JsonObject;
  readonly subresource?: string;
}

export type ManagedFieldsOperationType = string;

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}
