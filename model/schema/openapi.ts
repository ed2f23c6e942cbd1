// OpenAPI v3 per group-version, out of the schema table: what kubectl's validation, `explain` and patches read.
// Upstream: kube-openapi pkg/builder3. Left out: most operations (kubectl looks at PATCH only).
import { hash32 } from "../random.ts";
import type { JsonObject } from "../object.ts";
import { type ResourceType, apiVersionOf } from "../resources.ts";
import { DESCRIPTIONS } from "./descriptions.ts";
import { type ResolvedField, type ScalarName, type SchemaTable, type Shape, builtInSchemas } from "./table.ts";

const PATCH_TYPES = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
];

/** GET /openapi/v3: `{paths: {"api/v1": {serverRelativeURL}}}`; the hash in each URL changes with the document. */
export function openApiV3Root(resources: readonly ResourceType[], schemas: SchemaTable = builtInSchemas): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const groupVersion of new Set(resources.map(apiVersionOf))) {
    const path = groupVersion.includes("/") ? `apis/${groupVersion}` : `api/${groupVersion}`;
    const text = JSON.stringify(openApiV3(groupVersion, resources, schemas));
    const hash = [1, 2, 3, 4]
      .map((seed) => hash32(text, seed).toString(16).padStart(8, "0"))
      .join("")
      .toUpperCase();
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
  }
  return { paths };
}

/** GET /openapi/v3/api/v1 or /openapi/v3/apis/group/version; `groupVersion` is "v1" or "apps/v1". Undefined when nothing is served there. */
export function openApiV3(
  groupVersion: string,
  resources: readonly ResourceType[],
  schemas: SchemaTable = builtInSchemas,
): JsonObject | undefined {
  const served = resources.filter((type) => apiVersionOf(type) === groupVersion);
  if (served.length === 0) return undefined;
  const components: Record<string, JsonObject> = {};
  const paths: Record<string, JsonObject> = {};
  for (const type of served) {
    const name = type.schema === "" ? `io.k8s.${type.group || "core"}.${type.version}.${type.kind}` : componentName(type.schema);
    if (schemas.has(type.schema)) addComponent(schemas, type.schema, components);
    else components[name] = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    components[name] = { ...components[name], "x-kubernetes-group-version-kind": [gvk(type)] };
    paths[resourcePath(type)] = { patch: patchOperation(type, name), parameters: pathParameters(type) };
  }
  return { openapi: "3.0.0", info: { title: "Kubernetes", version: "v1.33.1" }, paths, components: { schemas: components } };
}

/** "core/v1.Pod" → "io.k8s.api.core.v1.Pod"; meta types stand in apimachinery's package. */
export function componentName(schema: string): string {
  const dotted = schema.replace("/", ".");
  return dotted.startsWith("meta.") ? `io.k8s.apimachinery.pkg.apis.${dotted}` : `io.k8s.api.${dotted}`;
}

const gvk = ({ group, version, kind }: ResourceType): JsonObject => ({ group, version, kind });

function resourcePath(type: ResourceType): string {
  const root = type.group === "" ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
  return `${root}${type.namespaced ? "/namespaces/{namespace}" : ""}/${type.resource}/{name}`;
}

function pathParameters(type: ResourceType): readonly JsonObject[] {
  const names = type.namespaced ? ["name", "namespace"] : ["name"];
  return names.map((name) => ({ name, in: "path", required: true, schema: { type: "string", uniqueItems: true } }));
}

function patchOperation(type: ResourceType, component: string): JsonObject {
  const reference = { $ref: `#/components/schemas/${component}` };
  const query = ["dryRun", "fieldManager", "fieldValidation"].map((name) => ({
    name,
    in: "query",
    schema: { type: "string", uniqueItems: true },
  }));
  return {
    operationId: `patch${type.kind}`,
    parameters: [...query, { name: "force", in: "query", schema: { type: "boolean", uniqueItems: true } }],
    requestBody: { content: Object.fromEntries(PATCH_TYPES.map((mediaType) => [mediaType, { schema: { type: "object" } }])) },
    responses: { "200": { description: "OK", content: { "application/json": { schema: reference } } } },
    "x-kubernetes-action": "patch",
    "x-kubernetes-group-version-kind": gvk(type),
  };
}

function addComponent(schemas: SchemaTable, schema: string, components: Record<string, JsonObject>): void {
  const name = componentName(schema);
  if (components[name]) return;
  const properties: Record<string, JsonObject> = {};
  components[name] = {};
  const required: string[] = [];
  const described = DESCRIPTIONS[schema] ?? {};
  for (const [key, field] of schemas.fields(schema)) {
    properties[key] = fieldSchema(schemas, field, components, described[key]);
    if (field.required || (!field.omitempty && !field.optional && field.default === undefined)) required.push(key);
  }
  const type = schemas.get(schema);
  components[name] = {
    description:
      type?.description ?? described[""] ?? `${schema.slice(schema.lastIndexOf(".") + 1)} of ${schema.slice(0, schema.lastIndexOf("."))}.`,
    type: "object",
    properties,
    ...(required.length > 0 ? { required } : {}),
    ...(schemas.isAtomic(schema) ? { "x-kubernetes-map-type": "atomic" } : {}),
  };
}

function fieldSchema(
  schemas: SchemaTable,
  field: ResolvedField,
  components: Record<string, JsonObject>,
  described: string | undefined,
): JsonObject {
  const extensions: Record<string, string | readonly string[]> = {};
  if (field.listType !== undefined) extensions["x-kubernetes-list-type"] = field.listType;
  if (field.listMapKeys) extensions["x-kubernetes-list-map-keys"] = field.listMapKeys;
  if (field.mapType !== undefined) extensions["x-kubernetes-map-type"] = field.mapType;
  if (field.patchStrategy !== undefined) extensions["x-kubernetes-patch-strategy"] = field.patchStrategy;
  if (field.patchMergeKey !== undefined) extensions["x-kubernetes-patch-merge-key"] = field.patchMergeKey;
  const defaults = field.default === undefined || field.default.startsWith("ref(") ? {} : { default: JSON.parse(field.default) as string };
  const words = field.description ?? described;
  const description = words === undefined ? {} : { description: words };
  const shape = shapeSchema(schemas, field.shape, components);
  if (!("$ref" in shape)) return { ...shape, ...defaults, ...description, ...extensions };
  return { allOf: [shape], ...(field.pointer ? {} : { default: {} }), ...description, ...extensions };
}

const SCALARS: Readonly<Record<ScalarName, JsonObject>> = {
  string: { type: "string" },
  bool: { type: "boolean" },
  int: { type: "integer", format: "int32" },
  int32: { type: "integer", format: "int32" },
  int64: { type: "integer", format: "int64" },
  float64: { type: "number", format: "double" },
  "[]byte": { type: "string", format: "byte" },
  IntOrString: { oneOf: [{ type: "integer" }, { type: "string" }], format: "int-or-string" },
  Quantity: { oneOf: [{ type: "string" }, { type: "number" }] },
  Time: { type: "string", format: "date-time" },
  MicroTime: { type: "string", format: "date-time" },
  RawExtension: { type: "object" },
  FieldsV1: { type: "object" },
};

function shapeSchema(schemas: SchemaTable, shape: Shape, components: Record<string, JsonObject>): JsonObject {
  switch (shape.kind) {
    case "struct":
      addComponent(schemas, shape.name, components);
      return { $ref: `#/components/schemas/${componentName(shape.name)}` };
    case "list":
      return { type: "array", items: shapeSchema(schemas, shape.element, components) };
    case "map":
      return { type: "object", additionalProperties: shapeSchema(schemas, shape.value, components) };
    case "scalar":
      return shape.values ? { ...SCALARS[shape.scalar], enum: shape.values } : SCALARS[shape.scalar];
  }
}
