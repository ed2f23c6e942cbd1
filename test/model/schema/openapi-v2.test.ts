import t from "tap";
import { BUILT_IN_RESOURCES } from "../../../model/resources.ts";
import { encodeOpenApiV2, openApiV2 } from "../../../model/schema/index.ts";
import { readFields, textOf } from "../../../model/schema/wire.ts";

const document = openApiV2(BUILT_IN_RESOURCES);

t.test("every reference of the JSON document resolves", (t) => {
  const names = new Set(Object.keys(document["definitions"] as object));
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, target = ""]) => target);
  t.ok(references.length > 100);
  t.strictSame(
    references.filter((target) => !names.has(target.replace("#/definitions/", ""))),
    [],
  );
  t.notMatch(JSON.stringify(document), /oneOf|allOf|requestBody|components/);
  t.end();
});

t.test("what clients read in it", (t) => {
  t.match(document, {
    swagger: "2.0",
    paths: {
      "/apis/apps/v1/namespaces/{namespace}/deployments/{name}": {
        patch: {
          parameters: [{ name: "dryRun", type: "string" }, {}, { name: "fieldValidation", in: "query", type: "string" }],
          "x-kubernetes-group-version-kind": { group: "apps", version: "v1", kind: "Deployment" },
        },
      },
    },
    definitions: {
      "io.k8s.api.core.v1.ServicePort": { properties: { targetPort: { type: "string", format: "int-or-string" } } },
      "io.k8s.api.apps.v1.DeploymentSpec": { properties: { template: { $ref: "#/definitions/io.k8s.api.core.v1.PodTemplateSpec" } } },
    },
  });
  t.end();
});

/** Follows field numbers into a message: `path` holds a number for the first such field, or a pair [number, name] for the entry of that name. */
function dig(bytes: Uint8Array, path: readonly (number | readonly [number, string])[]): Uint8Array {
  return path.reduce<Uint8Array>((inner, step) => {
    const [number, name] = typeof step === "number" ? [step, undefined] : step;
    const values = readFields(inner).flatMap((field) =>
      field.number === number && field.value instanceof Uint8Array ? [field.value] : [],
    );
    const found = name === undefined ? values[0] : values.find((entry) => textOf(dig(entry, [1])) === name);
    if (!found)
      throw new Error(
        `no field ${number} ${name ?? ""} among ${readFields(inner)
          .map((field) => field.number)
          .join(" ")}`,
      );
    return found;
  }, bytes);
}

t.test("the protobuf form, by gnostic's field numbers", (t) => {
  const encoded = encodeOpenApiV2(document);
  const definition = (name: string): readonly (number | readonly [number, string])[] => [9, [1, `io.k8s.api.${name}`], 2];
  const property = (type: string, name: string): readonly (number | readonly [number, string])[] => [...definition(type), 25, [1, name], 2];
  const patch = [8, [2, "/api/v1/namespaces/{namespace}/pods/{name}"], 2, 8] as const;
  const rows: readonly (readonly [what: string, path: readonly (number | readonly [number, string])[], expected: string])[] = [
    ["swagger", [1], "2.0"],
    ["info.title", [2, 1], "Kubernetes"],
    ["patch.consumes", [...patch, 7], "application/json-patch+json"],
    ["patch.parameters[0] (query)", [...patch, 8, 1, 2, 3, 4], "dryRun"],
    ["path parameter", [8, [2, "/api/v1/nodes/{name}"], 2, 9, 1, 2, 4, 4], "name"],
    ["patch x-", [...patch, [13, "x-kubernetes-group-version-kind"], 2, 2], '{"group":"","version":"v1","kind":"Pod"}'],
    ["patch.responses", [...patch, 9, [1, "200"], 2, 1, 1], "OK"],
    ["type", [...definition("core.v1.Pod"), 22, 1], "object"],
    ["required", [...definition("core.v1.PodSpec"), 19], "containers"],
    ["$ref", [...property("core.v1.Pod", "spec"), 1], "#/definitions/io.k8s.api.core.v1.PodSpec"],
    ["items", [...property("core.v1.PodSpec", "containers"), 23, 1, 1], "#/definitions/io.k8s.api.core.v1.Container"],
    ["additionalProperties", [...property("core.v1.PodSpec", "nodeSelector"), 21, 1, 22, 1], "string"],
    ["default", [...property("core.v1.ContainerPort", "protocol"), 5, 2], '"TCP"'],
    ["format", [...property("core.v1.ContainerPort", "containerPort"), 2], "int32"],
    ["x- of a property", [...property("core.v1.PodSpec", "containers"), [31, "x-kubernetes-patch-merge-key"], 2, 2], '"name"'],
  ];
  for (const [what, path, expected] of rows) t.equal(textOf(dig(encoded, path)), expected, what);
  t.end();
});
