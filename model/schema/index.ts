// The schema of every kind, and all that is a pure function of it.
export { type ScalarName, type SchemaField, SchemaTable, type SchemaType, type Shape, builtInSchemas } from "./table.ts";
export { type ParsedBody, parseJson, parseYaml } from "./parse.ts";
export { type DecodeOptions, type Decoded, type FieldValidation, decodeBody, decodeValue } from "./validate.ts";
export { applyDefaults } from "./defaults.ts";
export { validateCreate, validateUpdate } from "./validation/index.ts";
export { type ProtobufObject, decodeProtobuf } from "./protobuf.ts";
export { type OpenApiRoot, openApiV3, openApiV3Root } from "./openapi.ts";
