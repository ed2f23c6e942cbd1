// Content negotiation: what a client accepts, and what a body claims to be. Upstream: apiserver pkg/endpoints/handlers/negotiation.
// Protobuf is decoded in requests and never produced: every client takes JSON beside it.
import { StatusError } from "../model/errors.ts";

export interface MediaType {
  /** Lower case, without parameters: "application/json". */
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Splits a Content-Type or Accept header. Quality values are dropped: order decides, as clients of Kubernetes write them. */
export function parseMediaTypes(header: string): readonly MediaType[] {
  return header
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .map((text) => {
      const [type = "", ...rest] = text.split(";").map((part) => part.trim());
      const parameters = rest.map((part): [string, string] => {
        const equals = part.indexOf("=");
        return equals < 0 ? [part.toLowerCase(), ""] : [part.slice(0, equals).toLowerCase(), part.slice(equals + 1).replace(/^"|"$/g, "")];
      });
      return { type: type.toLowerCase(), parameters: Object.fromEntries(parameters) };
    });
}

/** The form of an answer: a plain object, a Table, or metadata only. */
export interface Accepted {
  readonly encoding: "json" | "yaml";
  readonly as: "object" | "Table" | "PartialObjectMetadata" | "PartialObjectMetadataList";
  /** "meta.k8s.io/v1" or "meta.k8s.io/v1beta1", for the forms that are not plain. */
  readonly apiVersion: string;
}

const FORMS: ReadonlySet<string> = new Set(["Table", "PartialObjectMetadata", "PartialObjectMetadataList"]);

function encodingOf(type: string): Accepted["encoding"] | undefined {
  if (type === "application/json" || type === "*/*" || type === "application/*") return "json";
  return type === "application/yaml" ? "yaml" : undefined;
}

/** Chooses the first acceptable form. Throws 406 when there is none. */
export function negotiate(header: string | undefined): Accepted {
  const plain: Accepted = { encoding: "json", as: "object", apiVersion: "" };
  if (header === undefined || header.trim() === "") return plain;
  for (const { type, parameters } of parseMediaTypes(header)) {
    const encoding = encodingOf(type);
    if (encoding === undefined) continue;
    const { as, g, v } = parameters;
    if (as === undefined) return { ...plain, encoding };
    const form = [...FORMS].find((candidate) => candidate === as) as Accepted["as"] | undefined;
    if (form && g === "meta.k8s.io" && (v === "v1" || v === "v1beta1")) return { encoding, as: form, apiVersion: `${g}/${v}` };
  }
  throw new StatusError(406, "NotAcceptable", "only the following media types are accepted: application/json, application/yaml");
}

/** The media type of a request body; JSON when the client does not say. */
export function bodyMediaType(header: string | undefined): string {
  return header === undefined ? "application/json" : (parseMediaTypes(header)[0]?.type ?? "application/json");
}

/** 415 with the types that would have done. */
export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  return new StatusError(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  );
}
