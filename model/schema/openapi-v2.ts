// The OpenAPI v2 (Swagger) document, out of the v3 ones: what kubectl before 1.29 validates with, and later ones for kinds that v3 lacks.
// Upstream: kube-openapi pkg/builder. Left out: as in v3; alternatives (oneOf) become upstream's `type: string` with a format.
import type { JsonObject } from "../object.ts";
import { apiVersionOf, type ResourceType } from "../resources.ts";
import { openApiV3 } from "./openapi.ts";
import { builtInSchemas, type SchemaTable } from "./table.ts";

/** GET /openapi/v2 as JSON: one document for all group-versions. */
export function openApiV2(resources: readonly ResourceType[], schemas: SchemaTable = builtInSchemas): JsonObject {
  const documents = [...new Set(resources.map(apiVersionOf))].map((groupVersion) => openApiV3(groupVersion, resources, schemas) ?? {});
  const paths: Record<string, JsonObject> = {};
  const definitions: Record<string, JsonObject> = {};
  for (const document of documents) {
    for (const [path, item] of entries(document["paths"])) paths[path] = pathItem(item);
    for (const [name, schema] of entries(recordOf(document["components"])["schemas"])) {
      definitions[name] = { ...definitions[name], ...definitionOf(schema) };
    }
  }
  return { swagger: "2.0", info: documents[0]?.["info"] ?? {}, paths, definitions };
}

function pathItem(item: JsonObject): JsonObject {
  const patch = recordOf(item["patch"]);
  const content = Object.keys(recordOf(recordOf(patch["requestBody"])["content"]));
  return {
    patch: {
      operationId: patch["operationId"] ?? "",
      consumes: content,
      produces: ["application/json"],
      parameters: listOf(patch["parameters"]).map(parameter),
      responses: { "200": { description: "OK" } },
      ...extensions(patch),
    },
    parameters: listOf(item["parameters"]).map(parameter),
  };
}

function parameter({ schema, ...rest }: JsonObject): JsonObject {
  return { ...rest, ...recordOf(schema) };
}

function extensions(schema: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key.startsWith("x-")));
}

function definitionOf(schema: JsonObject): JsonObject {
  const { allOf, oneOf, $ref, enum: _values, properties, items, additionalProperties, ...rest } = schema;
  const reference = $ref ?? recordOf(listOf(allOf)[0])["$ref"];
  if (typeof reference === "string") {
    const { description } = rest;
    const target = reference.replace("#/components/schemas/", "#/definitions/");
    return { $ref: target, ...(description === undefined ? {} : { description }), ...extensions(rest) };
  }
  return {
    ...rest,
    ...(oneOf === undefined ? {} : { type: "string" }),
    ...(properties === undefined
      ? {}
      : { properties: Object.fromEntries(entries(properties).map(([key, each]) => [key, definitionOf(each)])) }),
    ...(items === undefined ? {} : { items: definitionOf(recordOf(items)) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: definitionOf(recordOf(additionalProperties)) }),
  };
}

const isRecord = (value: unknown): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);
const recordOf = (value: unknown): JsonObject => (isRecord(value) ? value : {});
const listOf = (value: unknown): readonly JsonObject[] => (Array.isArray(value) ? value.map(recordOf) : []);
const entries = (value: unknown): readonly (readonly [string, JsonObject])[] =>
  Object.entries(recordOf(value)).map(([key, each]) => [key, recordOf(each)] as const);
