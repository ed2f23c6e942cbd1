// Query parameters of the pod subresources, read as the API server converts them.
// Upstream: apimachinery pkg/runtime/converter.go (Convert_Slice_string_To_bool), pkg/util/validation/field.
import { badRequest } from "../../model/errors.ts";

/** Absent, `false` and `0` are false; any other value, the empty one too, is true. */
export function flagParameter(url: URL, name: string): boolean {
  const value = url.searchParams.get(name);
  return value !== null && value.toLowerCase() !== "false" && value !== "0";
}

/** A whole number, or undefined when absent or empty. Throws 400 BadRequest. */
export function integerParameter(url: URL, name: string): number | undefined {
  const text = url.searchParams.get(name);
  if (text === null || text === "") return undefined;
  if (!/^[+-]?\d{1,15}$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}
