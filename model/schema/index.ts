// The schema of every kind, and all that is a pure function of it.
export { type ResolvedField, type ScalarName, type Shape, SchemaTable, builtInSchemas } from "./table.ts";
export type { SchemaField, SchemaType } from "./schema-type.ts";
export { DecodeFault } from "./decode.ts";
export { canonicalQuantity, quantityNanos } from "./quantity.ts";
export { KUBERNETES_YAML, type ParsedBody, parseJson, parseYaml } from "./parse.ts";
export { type Decoded, type DecodeOptions, type FieldValidation, decodeBody, decodeValue, strictProblems, strictText } from "./validate.ts";
export { applyDefaults, materialize } from "./defaults.ts";
export { validateCreate, validateUpdate } from "./validation/index.ts";
export { type ProtobufObject, decodeProtobuf, isProtobuf } from "./protobuf.ts";
export { openApiV3, openApiV3Root } from "./openapi.ts";
export { openApiV2 } from "./openapi-v2.ts";
export { encodeOpenApiV2 } from "./gnostic.ts";
