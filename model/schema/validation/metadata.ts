// Names, labels, annotations, finalizers and owners of any object.
// Upstream: apimachinery pkg/api/validation/objectmeta.go.
import type { KubeObject, ObjectMeta } from "../../object.ts";
import type { FieldErrors } from "./field-errors.ts";
import { formatErrors, qualifiedNameErrors } from "./names.ts";

const MAX_ANNOTATIONS_BYTES = 256 * 1024;
const STANDARD_FINALIZERS = ["orphan", "foregroundDeletion", "kubernetes"];

/** How a kind's names are checked; a path segment is the least. */
export type NameFormat = "label" | "subdomain" | "dns1035" | "path";

export function validateMetadata(object: KubeObject, nameFormat: NameFormat, errors: FieldErrors): void {
  const { metadata } = object;
  const { name, generateName } = metadata;
  if (generateName) {
    const stem = nameFormat === "path" ? generateName : generateName.replace(/-$/, "a");
    errors.invalid("metadata.generateName", generateName, ...nameErrors(nameFormat, stem));
  }
  if (!name) errors.required("metadata.name", "name or generateName is required");
  else errors.invalid("metadata.name", name, ...nameErrors(nameFormat, name));
  if (metadata.namespace) errors.invalid("metadata.namespace", metadata.namespace, ...formatErrors("label", metadata.namespace));
  validateLabels(metadata.labels, "metadata.labels", errors);
  validateAnnotations(metadata.annotations, "metadata.annotations", errors);
  validateOwners(metadata, errors);
  (metadata.finalizers ?? []).forEach((finalizer, i) => {
    const problems = qualifiedNameErrors(finalizer);
    errors.invalid(`metadata.finalizers[${i}]`, finalizer, ...problems);
    if (problems.length === 0 && !finalizer.includes("/") && !STANDARD_FINALIZERS.includes(finalizer)) {
      errors.invalid(`metadata.finalizers[${i}]`, finalizer, "name is neither a standard finalizer name nor is it fully qualified");
    }
  });
}

/** An object that is being deleted waits for the finalizers that it has, and for no others. */
export function validateNoNewFinalizers({ metadata }: KubeObject, { metadata: old }: KubeObject, errors: FieldErrors): void {
  if (old.deletionTimestamp === undefined) return;
  const added = (metadata.finalizers ?? []).filter((finalizer) => !old.finalizers?.includes(finalizer)).toSorted();
  if (added.length === 0) return;
  const found = `[]string{${added.map((finalizer) => JSON.stringify(finalizer)).join(", ")}}`;
  errors.forbidden("metadata.finalizers", `no new finalizers can be added if the object is being deleted, found new finalizers ${found}`);
}

function nameErrors(format: NameFormat, name: string): string[] {
  if (format !== "path") return formatErrors(format, name);
  if (name === "." || name === "..") return [`may not be '${name}'`];
  return ["/", "%"].filter((part) => name.includes(part)).map((part) => `may not contain '${part}'`);
}

export function validateLabels(labels: ObjectMeta["labels"], field: string, errors: FieldErrors): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    errors.invalid(field, key, ...qualifiedNameErrors(key));
    errors.invalid(field, value, ...formatErrors("labelValue", value));
  }
}

export function validateAnnotations(annotations: ObjectMeta["annotations"], field: string, errors: FieldErrors): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    errors.invalid(field, key, ...qualifiedNameErrors(key.toLowerCase()));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > MAX_ANNOTATIONS_BYTES) errors.tooLong(field, MAX_ANNOTATIONS_BYTES);
}

function validateOwners(metadata: ObjectMeta, errors: FieldErrors): void {
  const controllers: string[] = [];
  for (const owner of metadata.ownerReferences ?? []) {
    const field = "metadata.ownerReferences";
    if (!owner.apiVersion) errors.invalid(`${field}.apiVersion`, owner.apiVersion ?? "", "version must not be empty");
    if (!owner.kind) errors.invalid(`${field}.kind`, owner.kind ?? "", "must not be empty");
    if (!owner.name) errors.invalid(`${field}.name`, owner.name ?? "", "must not be empty");
    if (!owner.uid) errors.invalid(`${field}.uid`, owner.uid ?? "", "must not be empty");
    if (owner.controller) controllers.push(`${owner.kind}/${owner.name}`);
  }
  if (controllers.length > 1) {
    const [first = "", second = ""] = controllers;
    const detail = `Only one reference can have Controller set to true. Found "true" in references for ${first} and ${second}`;
    errors.invalid("metadata.ownerReferences", metadata.ownerReferences, detail);
  }
}
