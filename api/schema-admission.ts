// Defaulting and validation inside the write, for clients and controllers alike. Upstream: each registry's strategy (PrepareForCreate, Validate).
import type { Draft, KubeObject } from "../model/object.ts";
import { applyDefaults, validateCreate, validateUpdate } from "../model/schema/index.ts";
import type { Admission } from "../store/index.ts";

/** Fills in what upstream's SetDefaults functions fill in; must come first. */
export const defaultingAdmission: Admission = {
  name: "Defaulting",
  operations: ["CREATE", "UPDATE"],
  admit: ({ type, object }) => applyDefaults(type, object as Draft<KubeObject>),
};

/** Rejects every field that is wrong; must come last. */
export const validatingAdmission: Admission = {
  name: "Validation",
  operations: ["CREATE", "UPDATE"],
  admit({ type, object, old, operation, subresource }, tx) {
    const made = object as KubeObject;
    const errors = operation === "CREATE" || !old ? validateCreate(type, made) : validateUpdate(type, made, old, subresource);
    for (const error of errors) tx.reject(error);
  },
};
