// Collects field errors with upstream's constructors.
// Upstream: apimachinery pkg/util/validation/field/errors.go.
import type { FieldError } from "../../errors.ts";

export class FieldErrors {
  readonly list: FieldError[] = [];

  required(field: string, detail = ""): void {
    this.list.push({ type: "Required", field, detail });
  }
  invalid(field: string, value: unknown, ...details: readonly string[]): void {
    for (const detail of details) this.list.push({ type: "Invalid", field, value, detail });
  }
  /** Invalid, with the value in Go's own syntax. */
  invalidGo(field: string, valueText: string, detail: string): void {
    this.list.push({ type: "Invalid", field, valueText, detail });
  }
  duplicate(field: string, value: unknown): void {
    this.list.push({ type: "Duplicate", field, value });
  }
  forbidden(field: string, detail: string): void {
    this.list.push({ type: "Forbidden", field, detail });
  }
  notFound(field: string, value: unknown): void {
    this.list.push({ type: "NotFound", field, value });
  }
  tooLong(field: string, maxBytes: number): void {
    this.list.push({ type: "TooLong", field, detail: `may not be more than ${maxBytes} bytes` });
  }
  /** Required when empty, NotSupported when not in the list. */
  oneOf(field: string, value: string | undefined, supported: readonly string[]): void {
    if (value === undefined || value === "") this.required(field);
    else this.supported(field, value, supported);
  }
  /** NotSupported when given and not in the list. */
  supported(field: string, value: string | undefined, supported: readonly string[]): void {
    if (value !== undefined && !supported.includes(value))
      this.list.push({ type: "NotSupported", field, value, supported: [...supported].sort() });
  }
  /** The same where upstream lists what there is in its own order. */
  supportedAsGiven(field: string, value: string | undefined, supported: readonly string[]): void {
    if (value !== undefined && !supported.includes(value)) this.list.push({ type: "NotSupported", field, value, supported });
  }
  /** Invalid when below zero. */
  nonNegative(field: string, value: number | undefined): void {
    if (value !== undefined && value < 0) this.invalid(field, value, "must be greater than or equal to 0");
  }
  /** Invalid outside 1…65535. */
  port(field: string, value: number | undefined): void {
    if (value === undefined || value < 1 || value > 65_535) this.invalid(field, value ?? 0, "must be between 1 and 65535, inclusive");
  }
  /** Duplicate for every value that came before; empty ones are not looked at. */
  unique(values: readonly (readonly [field: string, value: string | undefined])[]): void {
    const seen = new Set<string>();
    for (const [field, value] of values) {
      if (value === undefined || value === "") continue;
      if (seen.has(value)) this.duplicate(field, value);
      seen.add(value);
    }
  }
}
