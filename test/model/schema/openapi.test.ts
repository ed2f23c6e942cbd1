import t from "tap";
import { apiVersionOf, BUILT_IN_RESOURCES, defineResource } from "../../../model/resources.ts";
import { DESCRIPTIONS } from "../../../model/schema/descriptions.ts";
import { builtInSchemas, openApiV3, openApiV3Root } from "../../../model/schema/index.ts";

t.test("every group-version has a document whose references all resolve", (t) => {
  const root = openApiV3Root(BUILT_IN_RESOURCES)["paths"] as Record<string, { serverRelativeURL: string }>;
  for (const groupVersion of new Set(BUILT_IN_RESOURCES.map(apiVersionOf))) {
    const path = groupVersion.includes("/") ? `apis/${groupVersion}` : `api/${groupVersion}`;
    t.match(root[path]?.serverRelativeURL, new RegExp(`^/openapi/v3/${path}\\?hash=[0-9A-F]{32}$`));
    const document = openApiV3(groupVersion, BUILT_IN_RESOURCES);
    const text = JSON.stringify(document);
    const names = new Set(Object.keys((document?.["components"] as { schemas: object } | undefined)?.schemas ?? {}));
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) if (!names.has(name ?? "")) t.fail(`${name} is missing`);
    t.ok(names.size > 3, groupVersion);
  }
  t.equal(openApiV3("nothing/v1", BUILT_IN_RESOURCES), undefined);
  t.end();
});

t.test("what kubectl looks for", (t) => {
  const document = openApiV3("v1", BUILT_IN_RESOURCES);
  t.match(document, {
    paths: {
      "/api/v1/namespaces/{namespace}/pods/{name}": {
        patch: {
          "x-kubernetes-group-version-kind": { group: "", version: "v1", kind: "Pod" },
          parameters: [{}, {}, { name: "fieldValidation", in: "query" }],
        },
      },
      "/api/v1/nodes/{name}": {},
    },
    components: {
      schemas: {
        "io.k8s.api.core.v1.Pod": { type: "object", "x-kubernetes-group-version-kind": [{ kind: "Pod" }] },
        "io.k8s.api.core.v1.PodSpec": {
          required: ["containers"],
          properties: {
            containers: {
              type: "array",
              "x-kubernetes-list-type": "map",
              "x-kubernetes-list-map-keys": ["name"],
              "x-kubernetes-patch-merge-key": "name",
            },
            nodeSelector: { "x-kubernetes-map-type": "atomic", additionalProperties: { type: "string" } },
          },
        },
        "io.k8s.api.core.v1.ContainerPort": {
          required: ["containerPort"],
          properties: { protocol: { default: "TCP", enum: ["TCP", "UDP", "SCTP"] } },
        },
      },
    },
  });
  const custom = defineResource("loopkube.dev/v1alpha1", "", "Fault", "faults");
  t.match(openApiV3("loopkube.dev/v1alpha1", [custom]), {
    components: { schemas: { "io.k8s.loopkube.dev.v1alpha1.Fault": { "x-kubernetes-preserve-unknown-fields": true } } },
  });
  t.end();
});

t.test("descriptions name types and fields that there are", (t) => {
  for (const [type, fields] of Object.entries(DESCRIPTIONS)) {
    const known = new Set(["", ...builtInSchemas.fields(type).keys()]);
    t.strictSame(
      Object.keys(fields).filter((field) => !known.has(field)),
      [],
      type,
    );
  }
  t.end();
});
