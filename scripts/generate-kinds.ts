// Writes model/kinds/*.ts, the TypeScript types of the built-in kinds, from the schema table model/schema/types.json.
// Run with `npm run generate`; test/model/kinds.test.ts fails when the files are out of date.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Field {
  readonly json?: string;
  readonly inline?: true;
  readonly type: string;
  readonly optional?: true;
  readonly omitempty?: true;
}
interface Type {
  readonly alias?: string;
  readonly enum?: readonly string[]; // may be empty: values unknown, any string
  readonly fields?: readonly Field[];
}
type Table = Readonly<Record<string, Type>>;

const PRIMITIVES: Readonly<Record<string, string>> = {
  string: "string",
  bool: "boolean",
  int: "number",
  int32: "number",
  int64: "number",
  float64: "number",
  byte: "number",
  uint8: "number",
  IntOrString: "number | string",
  Quantity: "string",
  Time: "string",
  MicroTime: "string",
  RawExtension: "JsonObject",
  FieldsV1: "JsonObject",
};
const HANDWRITTEN: Readonly<Record<string, string>> = {
  "meta/v1.ObjectMeta": "ObjectMeta",
  "meta/v1.TypeMeta": "TypeMeta",
};
const ALWAYS_PRESENT = new Set(["metadata", "spec"]);

const packageOf = (name: string): string => name.slice(0, name.lastIndexOf("."));
const shortName = (name: string): string => name.slice(name.lastIndexOf(".") + 1);
const fileOf = (pkg: string): string => `${pkg.replace("/", "-")}.ts`;

/** The generated files: file name → text. */
export function generateKinds(table: Table): Map<string, string> {
  const packages = new Map<string, string[]>();
  for (const name of Object.keys(table)) {
    if (name in HANDWRITTEN) continue;
    const pkg = packageOf(name);
    packages.set(pkg, [...(packages.get(pkg) ?? []), name]);
  }
  return new Map([...packages].map(([pkg, names]) => [fileOf(pkg), packageText(table, pkg, names)]));
}

function packageText(table: Table, pkg: string, names: readonly string[]): string {
  const imports = new Map<string, Set<string>>();
  const use = (file: string, symbol: string): string => {
    imports.set(file, (imports.get(file) ?? new Set()).add(symbol));
    return symbol;
  };
  const reference = (type: string): string => {
    if (type === "[]byte") return "string";
    if (type.startsWith("[]")) return `readonly ${parenthesise(reference(type.slice(2)))}[]`;
    if (type.startsWith("map[string]")) return `{ readonly [key: string]: ${reference(type.slice(11))} }`;
    const primitive = PRIMITIVES[type];
    if (primitive === "JsonObject") return use("../json.ts", "JsonObject");
    if (primitive !== undefined) return primitive;
    const handwritten = HANDWRITTEN[type];
    if (handwritten !== undefined) return use("../object.ts", handwritten);
    return packageOf(type) === pkg ? shortName(type) : use(`./${fileOf(packageOf(type))}`, shortName(type));
  };
  const fieldText = (owner: string, field: Field): string[] => {
    if (field.inline) {
      if (field.type === "meta/v1.TypeMeta") {
        const apiVersion = pkg === "core/v1" ? "v1" : (API_GROUPS[pkg] ?? pkg);
        return [`  readonly apiVersion: "${apiVersion}";`, `  readonly kind: "${shortName(owner)}";`];
      }
      return (table[field.type]?.fields ?? []).flatMap((inner) => fieldText(field.type, inner));
    }
    const mark = (field.optional || field.omitempty) && !ALWAYS_PRESENT.has(field.json ?? "") ? "?" : "";
    if (owner === "core/v1.PodTemplateSpec" && field.json === "metadata")
      return [`  readonly metadata: Partial<${use("../object.ts", "ObjectMeta")}>;`];
    const key = /^[A-Za-z_$][\w$]*$/.test(field.json ?? "") ? field.json : JSON.stringify(field.json);
    return [`  readonly ${key}${mark}: ${reference(field.type)};`];
  };
  const body = names.map((name) => {
    const type = table[name] ?? {};
    if (type.enum?.length) return `export type ${shortName(name)} = ${type.enum.map((v) => JSON.stringify(v)).join(" | ")};`;
    if (type.alias !== undefined) return `export type ${shortName(name)} = ${reference(type.alias)};`;
    return `export interface ${shortName(name)} {\n${(type.fields ?? []).flatMap((f) => fieldText(name, f)).join("\n")}\n}`;
  });
  const header = [
    `// The types of ${pkg}. Generated from model/schema/types.json by scripts/generate-kinds.ts: do not edit.`,
    ...[...imports].sort().map(([file, symbols]) => `import type { ${[...symbols].sort().join(", ")} } from "${file}";`),
  ];
  return `${header.join("\n")}\n\n${body.join("\n\n")}\n`;
}

const API_GROUPS: Readonly<Record<string, string>> = {
  "networking/v1": "networking.k8s.io/v1",
  "discovery/v1": "discovery.k8s.io/v1",
  "coordination/v1": "coordination.k8s.io/v1",
  "authentication/v1": "authentication.k8s.io/v1",
  "authorization/v1": "authorization.k8s.io/v1",
};

const parenthesise = (type: string): string => (/[|]|^readonly /.test(type) ? `(${type})` : type);

if (import.meta.main) {
  const root = join(import.meta.dirname, "..");
  const table = JSON.parse(readFileSync(join(root, "model/schema/types.json"), "utf8")) as Table;
  mkdirSync(join(root, "model/kinds"), { recursive: true });
  for (const [file, text] of generateKinds(table)) writeFileSync(join(root, "model/kinds", file), text);
}
