// ConfigMaps and Secrets.
// Upstream: pkg/apis/core/validation/validation.go ValidateConfigMap, ValidateSecret.
import type { ConfigMap, Secret } from "../../kinds/core-v1.ts";
import { equalJson } from "../../object.ts";
import type { FieldErrors } from "./field-errors.ts";
import { configKeyErrors } from "./names.ts";

const MAX_BYTES = 1024 * 1024;
const IMMUTABLE = "field is immutable when `immutable` is set";

const ACCOUNT_NAME = "kubernetes.io/service-account.name";

/** The keys that a typed Secret must have. */
const REQUIRED_KEYS: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/dockercfg": [".dockercfg"],
};

export function validateConfigMap({ data = {}, binaryData = {} }: ConfigMap, errors: FieldErrors): void {
  for (const key of Object.keys(data)) {
    errors.invalid(`data[${key}]`, key, ...configKeyErrors(key));
    if (key in binaryData) errors.invalid(`data[${key}]`, key, "duplicate of key present in binaryData");
  }
  for (const key of Object.keys(binaryData)) errors.invalid(`binaryData[${key}]`, key, ...configKeyErrors(key));
  if (textBytes(data) + base64Bytes(binaryData) > MAX_BYTES) errors.tooLong("", MAX_BYTES);
}

export function validateSecret({ metadata, data = {}, type = "" }: Secret, errors: FieldErrors): void {
  for (const key of Object.keys(data)) errors.invalid(`data[${key}]`, key, ...configKeyErrors(key));
  if (base64Bytes(data) > MAX_BYTES) errors.tooLong("data", MAX_BYTES);
  for (const key of REQUIRED_KEYS[type] ?? []) if (!(key in data)) errors.required(`data[${key}]`);
  if (type === "kubernetes.io/service-account-token" && !metadata.annotations?.[ACCOUNT_NAME]) {
    errors.required(`metadata.annotations[${ACCOUNT_NAME}]`);
  }
  if (type === "kubernetes.io/basic-auth" && !("username" in data) && !("password" in data)) {
    errors.required("data[username]");
    errors.required("data[password]");
  }
  if (type === "kubernetes.io/dockerconfigjson" && ".dockerconfigjson" in data && !isJson(data[".dockerconfigjson"] ?? "")) {
    errors.invalid("data[.dockerconfigjson]", "<secret contents redacted>", "invalid character: not JSON");
  }
}

export function validateConfigMapUpdate(now: ConfigMap, old: ConfigMap, errors: FieldErrors): void {
  if (!old.immutable) return;
  if (!now.immutable) errors.forbidden("immutable", IMMUTABLE);
  for (const field of ["data", "binaryData"] as const) if (!equalJson(now[field], old[field])) errors.forbidden(field, IMMUTABLE);
}

export function validateSecretUpdate(now: Secret, old: Secret, errors: FieldErrors): void {
  if (now.type !== old.type) errors.invalid("type", now.type ?? "", "field is immutable");
  if (!old.immutable) return;
  if (!now.immutable) errors.forbidden("immutable", IMMUTABLE);
  if (!equalJson(now.data, old.data)) errors.forbidden("data", IMMUTABLE);
}

const textBytes = (data: { readonly [key: string]: string }): number =>
  Object.values(data).reduce((sum, value) => sum + Buffer.byteLength(value), 0);
const base64Bytes = (data: { readonly [key: string]: string }): number =>
  Object.values(data).reduce((sum, value) => sum + Buffer.byteLength(value, "base64"), 0);

function isJson(base64: string): boolean {
  try {
    JSON.parse(Buffer.from(base64, "base64").toString());
    return true;
  } catch {
    return false;
  }
}
