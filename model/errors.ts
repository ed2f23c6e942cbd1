// The control plane's vocabulary of failure: Kubernetes Status objects, with upstream's reasons, codes and messages.
// Upstream: apimachinery pkg/api/errors/errors.go, pkg/util/validation/field/errors.go.
import { qualifiedResource, type ResourceType } from "./resources.ts";

export type StatusReason =
  /** Errors that upstream passes on bare: kubectl prints no reason. */
  | ""
  | "Unauthorized"
  | "Forbidden"
  | "NotFound"
  | "AlreadyExists"
  | "Conflict"
  | "Gone"
  | "Invalid"
  | "BadRequest"
  | "MethodNotAllowed"
  | "NotAcceptable"
  | "RequestEntityTooLarge"
  | "UnsupportedMediaType"
  | "InternalError"
  | "Expired"
  | "ServiceUnavailable"
  | "Timeout"
  | "TooManyRequests";

export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** metav1.Status as it goes over the wire. */
export interface Status {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly status: "Success" | "Failure";
  readonly message?: string;
  readonly reason?: StatusReason;
  readonly details?: StatusDetails;
  readonly code?: number;
}

/** A failed API call: what the store and admission throw and what the API server answers. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly status: Status;
  constructor(code: number, reason: StatusReason, message: string, details?: StatusDetails) {
    super(message);
    this.status = {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message,
      reason,
      ...(details ? { details } : {}),
      code,
    };
  }
  get reason(): StatusReason | undefined {
    return this.status.reason;
  }
  get code(): number {
    return this.status.code ?? 500;
  }
}

/** True when `error` is a StatusError of this reason. */
export function isStatus(error: unknown, reason: StatusReason): boolean {
  return error instanceof StatusError && error.reason === reason;
}

const detailsOf = (type: ResourceType, name: string): StatusDetails => ({
  name,
  ...(type.group === "" ? {} : { group: type.group }),
  kind: type.resource,
});

export function notFound(type: ResourceType, name: string): StatusError {
  return new StatusError(404, "NotFound", `${qualifiedResource(type)} "${name}" not found`, detailsOf(type, name));
}

export function alreadyExists(type: ResourceType, name: string): StatusError {
  return new StatusError(409, "AlreadyExists", `${qualifiedResource(type)} "${name}" already exists`, detailsOf(type, name));
}

/** 409 with `detail` as the cause; the default is the optimistic-lock message. */
export function conflict(
  type: ResourceType,
  name: string,
  detail = "the object has been modified; please apply your changes to the latest version and try again",
): StatusError {
  return new StatusError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualifiedResource(type)} "${name}": ${detail}`,
    detailsOf(type, name),
  );
}

export function badRequest(message: string): StatusError {
  return new StatusError(400, "BadRequest", message);
}

export function forbidden(type: ResourceType, name: string, detail: string): StatusError {
  return new StatusError(
    403,
    "Forbidden",
    `${qualifiedResource(type)} ${JSON.stringify(name)} is forbidden: ${detail}`,
    detailsOf(type, name),
  );
}

/** 410 for a watch or a continue token older than the log's horizon. */
export function expired(message: string): StatusError {
  return new StatusError(410, "Expired", message);
}

/** 422: every field error at once, as `Kind "name" is invalid: […]`. */
export function invalid(type: ResourceType, name: string, errors: readonly FieldError[]): StatusError {
  const qualifiedKind = type.group === "" ? type.kind : `${type.kind}.${type.group}`;
  const texts = errors.map(fieldErrorText);
  const body = texts.length === 1 ? (texts[0] ?? "") : `[${texts.join(", ")}]`;
  return new StatusError(422, "Invalid", `${qualifiedKind} ${JSON.stringify(name)} is invalid: ${body}`, {
    name,
    ...(type.group === "" ? {} : { group: type.group }),
    kind: type.kind,
    causes: errors.map((error) => ({
      reason: `FieldValue${error.type}`,
      message: fieldErrorText(error).slice(error.field.length + 2),
      field: error.field,
    })),
  });
}

export type FieldErrorType = "Required" | "Invalid" | "Duplicate" | "NotSupported" | "Forbidden" | "TooLong" | "TooMany" | "NotFound";

export interface FieldError {
  readonly type: FieldErrorType;
  /** Path as upstream writes it: `spec.ports[0].nodePort`. */
  readonly field: string;
  readonly value?: unknown;
  /** The value as Go's %#v prints it, when that is not JSON. */
  readonly valueText?: string;
  readonly detail?: string;
  /** For NotSupported: the values that are. */
  readonly supported?: readonly string[];
}

/** `spec.x: Invalid value: "y": detail`, as field.Error.Error() prints it. */
export function fieldErrorText(error: FieldError): string {
  const title: Record<FieldErrorType, string> = {
    Required: "Required value",
    Invalid: "Invalid value",
    Duplicate: "Duplicate value",
    NotSupported: "Unsupported value",
    Forbidden: "Forbidden",
    TooLong: "Too long",
    TooMany: "Too many",
    NotFound: "Not found",
  };
  const bare = error.type === "Required" || error.type === "Forbidden" || error.type === "TooLong";
  const value = bare ? "" : `: ${error.valueText ?? goText(error.value)}`;
  const supported = error.supported?.map((item) => JSON.stringify(item)).join(", ");
  const detail = supported === undefined ? error.detail : `supported values: ${supported}`;
  return `${error.field}: ${title[error.type]}${value}${detail === undefined || detail === "" ? "" : `: ${detail}`}`;
}

/** A value as field.Error prints it: lists of strings in Go syntax, all else as JSON. */
function goText(value: unknown): string {
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) return JSON.stringify(value ?? null);
  return value.length === 0 ? "[]string(nil)" : `[]string{${value.map((item) => JSON.stringify(item)).join(", ")}}`;
}

/** For the end of a `switch` over a union: a broken invariant, not a user's mistake. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
