// PersistentVolumeClaims as kubectl prints them. Upstream: printers printPersistentVolumeClaim.
import { PersistentVolumeClaims } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

const MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};

export const persistentVolumeClaimPrinter = printer(
  PersistentVolumeClaims,
  ["Name", "Status", "Volume", "Capacity", "Access Modes", "StorageClass", "VolumeAttributesClass", "Age", "+VolumeMode"],
  ({ metadata, spec, status }, nowMs) => {
    const bound = spec.volumeName !== undefined && spec.volumeName !== "";
    return [
      metadata.name,
      metadata.deletionTimestamp === undefined ? (status?.phase ?? "Pending") : "Terminating",
      spec.volumeName ?? "",
      bound ? (status?.capacity?.["storage"] ?? "") : "",
      bound ? (status?.accessModes ?? []).map((mode) => MODES[mode] ?? mode).join(",") : "",
      spec.storageClassName ?? "",
      spec.volumeAttributesClassName ?? "<unset>",
      ageOf(metadata.creationTimestamp, nowMs),
      spec.volumeMode ?? "<unset>",
    ];
  },
);
