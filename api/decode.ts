// Request bodies as objects: of a served resource (checked against its schema), or of a meta kind such as DeleteOptions.
// Upstream: apiserver handlers/create.go, handlers/fieldmanager, runtime/serializer.
import { badRequest } from "../model/errors.ts";
import type { Draft, JsonObject, KubeObject } from "../model/object.ts";
import type { ResourceType } from "../model/resources.ts";
import { applyDefaults, decodeBody, decodeProtobuf, parseJson, parseYaml } from "../model/schema/index.ts";
import type { ApiRequest } from "./context.ts";
import { bodyMediaType, unsupportedMediaType } from "./media-types.ts";
import { readBody } from "./request-body.ts";
import { fieldValidationOf } from "./write-options.ts";

/** The media types of whole objects. */
export const OBJECT_MEDIA_TYPES = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

function objectMediaType(request: ApiRequest): string {
  const type = bodyMediaType(request.incoming.headers["content-type"]);
  if (!OBJECT_MEDIA_TYPES.includes(type)) throw unsupportedMediaType(OBJECT_MEDIA_TYPES);
  return type;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The body as an object of the resource, defaulted; warnings go to the request. Throws 400, 413 or 415. */
export async function decodeObject(request: ApiRequest, type: ResourceType): Promise<JsonObject> {
  const contentType = objectMediaType(request);
  const body = await readBody(request.incoming);
  const { object, warnings } = decodeBody(type, body, { contentType, fieldValidation: fieldValidationOf(request) });
  request.warnings.push(...warnings);
  return defaulted(type, object);
}

/** The object with its kind's defaults filled in, as decoding leaves it. */
export function defaulted(type: ResourceType, object: JsonObject): JsonObject {
  const draft = asKubeObject(object) as Draft<KubeObject>;
  applyDefaults(type, draft);
  return asJsonObject(draft);
}

/** The body as an object of `kind`, whichever its version; undefined when there is no body. Unknown fields are ignored. */
export async function decodeAnyBody(request: ApiRequest, kind: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const body = await readBody(request.incoming);
  if (body.length === 0) return undefined;
  const type = objectMediaType(request);
  const value = type === OBJECT_MEDIA_TYPES[2] ? decodeProtobuf(body).object : parseText(type, body.toString("utf8"));
  if (!isRecord(value)) throw badRequest(`the object provided is unrecognized (must be of type ${kind})`);
  if (value["kind"] !== undefined && value["kind"] !== "" && value["kind"] !== kind) {
    const version = String(value["apiVersion"] ?? "").replace(/^.*\//, "");
    throw badRequest(`${String(value["kind"])} in version ${JSON.stringify(version)} cannot be handled as a ${kind}`);
  }
  return value;
}

const parseText = (type: string, text: string): unknown => (type === "application/yaml" ? parseYaml(text) : parseJson(text)).value;

/** The protocol's edge: a decoded object is a KubeObject once its apiVersion, kind and metadata are known to be there. */
export function asKubeObject(object: JsonObject): KubeObject {
  const metadata = isRecord(object["metadata"]) ? object["metadata"] : {};
  return { ...object, metadata } as unknown as KubeObject;
}

/** A stored object seen as JSON. */
export function asJsonObject(object: KubeObject): JsonObject {
  return object as unknown as JsonObject;
}
