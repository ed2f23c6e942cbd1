// Volumes of pods. Upstream: pkg/apis/core/validation/validation.go ValidateVolumes and validateVolumeSource.
// Left out: sources that stand for an empty folder here.
import type { KeyToPath, Volume } from "../../kinds/core-v1.ts";
import { quantityNanos } from "../quantity.ts";
import type { FieldErrors } from "./field-errors.ts";
import { formatErrors } from "./names.ts";

const MAX_FILE_MODE = 0o777;
const MODE_HELP = "must be a number between 0 and 0777 (octal), both inclusive";
const HOST_PATH_TYPES = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

/** The names of the volumes, which mounts refer to. */
export function validateVolumes(volumes: readonly Volume[], field: string, errors: FieldErrors): ReadonlySet<string> {
  const names = new Set<string>();
  volumes.forEach((volume, i) => {
    const path = `${field}[${i}]`;
    const problems = volume.name ? formatErrors("label", volume.name) : [];
    if (!volume.name) errors.required(`${path}.name`);
    else if (problems.length > 0) errors.invalid(`${path}.name`, volume.name, ...problems);
    else if (names.has(volume.name)) errors.duplicate(`${path}.name`, volume.name);
    names.add(volume.name);
    const [first, ...more] = Object.keys(volume).filter((key) => key !== "name");
    if (first === undefined) errors.required(path, "must specify a volume type");
    for (const key of more) errors.forbidden(`${path}.${key}`, "may not specify more than 1 volume type");
    validateSource(volume, path, errors);
  });
  return names;
}

function validateSource({ hostPath, emptyDir, secret, configMap, persistentVolumeClaim }: Volume, path: string, errors: FieldErrors): void {
  if (emptyDir?.sizeLimit !== undefined && (quantityNanos(emptyDir.sizeLimit) ?? 0n) < 0n)
    errors.forbidden(`${path}.emptyDir.sizeLimit`, "SizeLimit field must be a valid resource quantity");
  if (hostPath) {
    if (!hostPath.path) errors.required(`${path}.hostPath.path`);
    else refuseBacksteps(hostPath.path, `${path}.hostPath.path`, errors);
    errors.supported(`${path}.hostPath.type`, hostPath.type, HOST_PATH_TYPES);
  }
  if (secret) {
    if (!secret.secretName) errors.required(`${path}.secret.secretName`);
    validateFiles(secret, `${path}.secret`, errors);
  }
  if (configMap) {
    if (!configMap.name) errors.required(`${path}.configMap.name`);
    validateFiles(configMap, `${path}.configMap`, errors);
  }
  if (persistentVolumeClaim && !persistentVolumeClaim.claimName) errors.required(`${path}.persistentVolumeClaim.claimName`);
}

interface Files {
  readonly defaultMode?: number;
  readonly items?: readonly KeyToPath[];
}

function validateFiles({ defaultMode, items = [] }: Files, field: string, errors: FieldErrors): void {
  validateMode(defaultMode, `${field}.defaultMode`, errors);
  items.forEach(({ key, path, mode }, i) => {
    const item = `${field}.items[${i}]`;
    if (!key) errors.required(`${item}.key`);
    if (!path) errors.required(`${item}.path`);
    else validateLocalPath(path, `${item}.path`, errors);
    validateMode(mode, `${item}.mode`, errors);
  });
}

function validateMode(mode: number | undefined, field: string, errors: FieldErrors): void {
  if (mode !== undefined && (mode < 0 || mode > MAX_FILE_MODE)) errors.invalid(field, mode, MODE_HELP);
}

function validateLocalPath(path: string, field: string, errors: FieldErrors): void {
  if (path.startsWith("/")) errors.invalid(field, path, "must be a relative path");
  refuseBacksteps(path, field, errors);
  if (path.startsWith("..") && !path.startsWith("../")) errors.invalid(field, path, "must not start with '..'");
}

function refuseBacksteps(path: string, field: string, errors: FieldErrors): void {
  if (path.split("/").includes("..")) errors.invalid(field, path, "must not contain '..'");
}
