// Every printed kind, and the Table made of them. Adding a printer is one file and one line here.
// Upstream: kubernetes pkg/printers/internalversion/printers.go.
import type { KubeObject } from "../../model/object.ts";
import type { ResourceType } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { configMapPrinter } from "./configmaps.ts";
import { deploymentPrinter } from "./deployments.ts";
import { endpointSlicePrinter } from "./endpointslices.ts";
import { endpointsPrinter } from "./endpoints.ts";
import { eventPrinter } from "./events.ts";
import { faultPrinter } from "./faults.ts";
import { ingressClassPrinter } from "./ingressclasses.ts";
import { ingressPrinter } from "./ingresses.ts";
import { ipAddressPrinter } from "./ipaddresses.ts";
import { leasePrinter } from "./leases.ts";
import { namespacePrinter } from "./namespaces.ts";
import { networkPolicyPrinter } from "./networkpolicies.ts";
import { nodePrinter } from "./nodes.ts";
import { podPrinter } from "./pods.ts";
import { replicaSetPrinter } from "./replicasets.ts";
import { scalePrinter } from "./scales.ts";
import { secretPrinter } from "./secrets.ts";
import { serviceAccountPrinter } from "./serviceaccounts.ts";
import { serviceCidrPrinter } from "./servicecidrs.ts";
import { servicePrinter } from "./services.ts";
import { controllerRevisionPrinter } from "./controllerrevisions.ts";
import { cronJobPrinter } from "./cronjobs.ts";
import { daemonSetPrinter } from "./daemonsets.ts";
import { jobPrinter } from "./jobs.ts";
import { persistentVolumeClaimPrinter } from "./persistentvolumeclaims.ts";
import { statefulSetPrinter } from "./statefulsets.ts";
import { columns, type Printer } from "./table.ts";

const PRINTERS: readonly Printer[] = [
  namespacePrinter,
  nodePrinter,
  podPrinter,
  servicePrinter,
  endpointsPrinter,
  configMapPrinter,
  secretPrinter,
  serviceAccountPrinter,
  eventPrinter,
  deploymentPrinter,
  replicaSetPrinter,
  statefulSetPrinter,
  daemonSetPrinter,
  controllerRevisionPrinter,
  jobPrinter,
  cronJobPrinter,
  persistentVolumeClaimPrinter,
  scalePrinter,
  endpointSlicePrinter,
  ingressPrinter,
  ingressClassPrinter,
  networkPolicyPrinter,
  ipAddressPrinter,
  serviceCidrPrinter,
  leasePrinter,
  faultPrinter,
];

const GENERIC_COLUMNS = columns("Name", "Age");

/** The printer of a resource; NAME and AGE for one that has none of its own. */
export function printerOf(type: ResourceType): Printer {
  const own = PRINTERS.find((printer) => printer.resource === type.resource && printer.group === type.group);
  return (
    own ?? {
      group: type.group,
      resource: type.resource,
      columns: GENERIC_COLUMNS,
      row: ({ metadata }, nowMs) => [metadata.name, ageOf(metadata.creationTimestamp, nowMs)],
    }
  );
}

/** How much of each object rides along in its row: metav1.IncludeObjectPolicy. */
export type IncludeObject = "None" | "Metadata" | "Object";

export interface TableOptions {
  readonly nowMs: number;
  readonly includeObject: IncludeObject;
  readonly apiVersion: string;
  /** ListMeta of the table. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** False in the second and later events of a watch, as upstream. */
  readonly withColumns?: boolean;
}

/** A meta.k8s.io Table of these objects. */
export function tableOf(type: ResourceType, objects: readonly KubeObject[], options: TableOptions): object {
  const printer = printerOf(type);
  return {
    kind: "Table",
    apiVersion: options.apiVersion,
    metadata: options.metadata,
    columnDefinitions: options.withColumns === false ? [] : printer.columns,
    rows: objects.map((object) => ({
      cells: printer.row(object, options.nowMs),
      ...rowObject(object, options),
    })),
  };
}

function rowObject(object: KubeObject, { includeObject, apiVersion }: TableOptions): { readonly object?: object } {
  if (includeObject === "None") return {};
  if (includeObject === "Object") return { object };
  return { object: { kind: "PartialObjectMetadata", apiVersion, metadata: object.metadata } };
}
