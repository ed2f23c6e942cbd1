import fc from "fast-check";
import t from "tap";
import { StatusError } from "../../../model/errors.ts";
import { type JsonObject, equalJson } from "../../../model/object.ts";
import { ConfigMaps, Deployments, Pods, type ResourceType } from "../../../model/resources.ts";
import { builtInSchemas } from "../../../model/schema/index.ts";
import { type PatchContentType, type UntrackedPatch, applyPatch, managerName, patchObject } from "../../../api/patch/index.ts";
import { applyMergePatch } from "../../../api/patch/merge-patch.ts";
import { applyStrategicMergePatch } from "../../../api/patch/strategic-merge-patch.ts";

const utf8 = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const configMap = (data: JsonObject): JsonObject => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data });

function patched(
  kind: "json" | "merge" | "strategic-merge",
  current: JsonObject,
  patch: unknown,
  options: Partial<UntrackedPatch> = {},
): JsonObject {
  const contentType: PatchContentType = `application/${kind}-patch+json`;
  return patchObject({ type: ConfigMaps, contentType, patch: utf8(patch), current, fieldValidation: "Strict", ...options }).object;
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof StatusError) return `${error.code} ${error.reason ?? ""}: ${error.message}`;
    throw error;
  }
  return "accepted";
}

t.test("JSON patch", (t) => {
  const current = configMap({ a: "1" });
  const rows: [patch: unknown, result: string][] = [
    [[{ op: "add", path: "/data/b", value: "2" }], '{"a":"1","b":"2"}'],
    [[{ op: "replace", path: "/data/a", value: "2" }], '{"a":"2"}'],
    [[{ op: "move", from: "/data/a", path: "/data/b" }], '{"b":"1"}'],
    [
      [
        { op: "test", path: "/data/a", value: "1" },
        { op: "remove", path: "/data/a" },
      ],
      "undefined",
    ],
  ];
  for (const [patch, result] of rows) t.equal(String(JSON.stringify(patched("json", current, patch)["data"])), result);
  const rejected = "422 Invalid: the server rejected our request due to an error in our request";
  const refusals: [patch: unknown, message: string][] = [
    [[{ op: "test", path: "/data/a", value: "2" }], rejected],
    [[{ op: "remove", path: "/data/b" }], rejected],
    [[{ op: "add", path: "/metadata/labels/x", value: "y" }], rejected],
    [[{ op: "bend", path: "/data/a" }], rejected],
    [[{ op: "add", path: "/__proto__/x", value: 1 }], rejected],
    [{ data: {} }, "400 BadRequest: error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"],
    ["[", "400 BadRequest: error decoding patch: unexpected end of JSON input"],
  ];
  for (const [patch, message] of refusals)
    t.equal(
      refusal(() => patched("json", current, patch)),
      message,
    );
  t.end();
});

t.test("merge patch: the cases of RFC 7386, appendix A", (t) => {
  const rows: [original: string, patch: string, result: string][] = [
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', "{}"],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ["{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ];
  for (const [original, patch, result] of rows) {
    t.same(applyMergePatch(JSON.parse(original) as JsonObject, JSON.parse(patch)), JSON.parse(result), `${original} + ${patch}`);
  }
  t.equal(
    refusal(() => applyMergePatch({}, [1])),
    "400 BadRequest: error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
  );
  t.end();
});

t.test("strategic merge patch", (t) => {
  const containers = (list: string): string => `{"spec":{"containers":[${list}]}}`;
  const rows: [name: string, original: string, patch: string, result: string][] = [
    [
      "merges by name",
      containers('{"name":"a","image":"1"},{"name":"b"}'),
      containers('{"name":"a","image":"2"}'),
      containers('{"name":"a","image":"2"},{"name":"b"}'),
    ],
    ["appends", containers('{"name":"a"}'), containers('{"name":"b"}'), containers('{"name":"a"},{"name":"b"}')],
    ["deletes an item", containers('{"name":"a"},{"name":"b"}'), containers('{"name":"a","$patch":"delete"}'), containers('{"name":"b"}')],
    [
      "replaces a list",
      containers('{"name":"a"},{"name":"b"}'),
      containers('{"name":"c"},{"$patch":"replace"}'),
      containers('{"name":"c"}'),
    ],
    [
      "replaces a map",
      '{"spec":{"nodeSelector":{"a":"1"}}}',
      '{"spec":{"nodeSelector":{"$patch":"replace","b":"2"}}}',
      '{"spec":{"nodeSelector":{"b":"2"}}}',
    ],
    [
      "empties a map",
      '{"spec":{"nodeSelector":{"a":"1"}}}',
      '{"spec":{"nodeSelector":{"$patch":"delete"}}}',
      '{"spec":{"nodeSelector":{}}}',
    ],
    ["null removes", '{"spec":{"nodeName":"n","hostname":"h"}}', '{"spec":{"nodeName":null}}', '{"spec":{"hostname":"h"}}'],
    [
      "atomic lists are replaced",
      '{"spec":{"tolerations":[{"key":"a"}]}}',
      '{"spec":{"tolerations":[{"key":"b"}]}}',
      '{"spec":{"tolerations":[{"key":"b"}]}}',
    ],
    [
      "primitive lists unite",
      '{"metadata":{"finalizers":["a","b"]}}',
      '{"metadata":{"finalizers":["b","c"]}}',
      '{"metadata":{"finalizers":["a","b","c"]}}',
    ],
    [
      "deletes from a primitive list",
      '{"metadata":{"finalizers":["a","b"]}}',
      '{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"$setElementOrder/finalizers":["b"]}}',
      '{"metadata":{"finalizers":["b"]}}',
    ],
    [
      "retains keys",
      '{"spec":{"volumes":[{"name":"v","emptyDir":{}}]}}',
      '{"spec":{"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/"}}]}}',
      '{"spec":{"volumes":[{"name":"v","hostPath":{"path":"/"}}]}}',
    ],
    [
      "orders as asked, with the server's own items where they stood",
      containers('{"name":"a"},{"name":"server"},{"name":"b"}'),
      '{"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"},{"name":"c"}],"containers":[{"name":"c"}]}}',
      containers('{"name":"server"},{"name":"b"},{"name":"a"},{"name":"c"}'),
    ],
    [
      "nulls and directives mean nothing where nothing was",
      "{}",
      '{"spec":{"nodeName":null,"nodeSelector":{"$patch":"replace","a":"1"}}}',
      '{"spec":{"nodeSelector":{"a":"1"}}}',
    ],
    [
      "merges nested lists by their own keys",
      containers('{"name":"a","ports":[{"containerPort":80,"name":"x"}],"env":[{"name":"A","value":"1"}]}'),
      containers('{"name":"a","ports":[{"containerPort":81}],"env":[{"name":"A","value":"2"}]}'),
      containers('{"name":"a","ports":[{"containerPort":80,"name":"x"},{"containerPort":81}],"env":[{"name":"A","value":"2"}]}'),
    ],
  ];
  const apply = (original: string, patch: string): JsonObject =>
    applyStrategicMergePatch(builtInSchemas, "core/v1.Pod", JSON.parse(original) as JsonObject, JSON.parse(patch));
  for (const [name, original, patch, result] of rows) t.same(apply(original, patch), JSON.parse(result), name);
  const refusals: [patch: string, message: string][] = [
    [containers('{"image":"x"}'), "500 : map: map[image:x] does not contain declared merge key: name"],
    ['{"spec":{"$patch":"bend"}}', "500 : unknown patch type: bend in map: map[$patch:bend]"],
    ["[]", "400 BadRequest: json: cannot unmarshal array into Go value of type map[string]interface {}"],
    ['{"spec":{"$setElementOrder/containers":{}}}', "400 BadRequest: invalid patch format of setElementOrder list"],
  ];
  for (const [patch, message] of refusals)
    t.equal(
      refusal(() => apply(containers('{"name":"a"}'), patch)),
      message,
    );
  t.end();
});

t.test("merging a second time changes nothing", (t) => {
  const name = fc.constantFrom("a", "b", "c");
  const container = fc.record(
    {
      name,
      image: fc.constantFrom("x", "y", null),
      env: fc.uniqueArray(fc.record({ name, value: fc.constantFrom("1", "2") }), { selector: (e) => e.name }),
    },
    { requiredKeys: ["name"] },
  );
  const spec = fc.record(
    {
      containers: fc.uniqueArray(container, { selector: (c) => c.name }),
      nodeSelector: fc.dictionary(name, fc.constantFrom("1", null), { noNullPrototype: true }),
      hostname: fc.constantFrom("h", null),
    },
    { requiredKeys: [] },
  );
  const pod = fc.record({ spec });
  const strategic = (current: JsonObject, patch: unknown): JsonObject =>
    applyStrategicMergePatch(builtInSchemas, "core/v1.Pod", current, patch);
  fc.assert(
    fc.property(pod, pod, (original, patch) => {
      const start = strategic({}, original);
      const once = strategic(start, patch);
      const merged = applyMergePatch(start, patch);
      return equalJson(strategic(once, patch), once) && equalJson(applyMergePatch(merged, patch), merged);
    }),
    { numRuns: 300, seed: 7 },
  );
  t.end();
});

t.test("the result must be an object of the kind", (t) => {
  const current = configMap({ a: "1" });
  const merge = (patch: unknown, type: ResourceType = ConfigMaps) => refusal(() => patched("merge", current, patch, { type }));
  t.equal(
    merge({ foo: 1 }),
    '422 Invalid:  "" is invalid: patch: Invalid value: "{\\"apiVersion\\":\\"v1\\",\\"kind\\":\\"ConfigMap\\",\\"metadata\\":{\\"name\\":\\"c\\"},\\"data\\":{\\"a\\":\\"1\\"},\\"foo\\":1}": strict decoding error: unknown field "foo"',
  );
  t.match(merge({ data: { a: 1 } }), /json: cannot unmarshal number into Go struct field ConfigMap.data of type string$/);
  t.match(merge({ kind: "Pod" }), /no kind "Pod" is registered for version "v1"/);
  t.match(
    refusal(() => patched("strategic-merge", current, { foo: { b: [1, "x"], a: null } })),
    /patch: Invalid value: "map\[foo:map\[a:<nil> b:\[1 x\]\]\]": strict decoding error: unknown field "foo"$/,
  );
  const conversions: [spec: JsonObject, message: string][] = [
    [{ replicas: "x" }, "unrecognized type: int32"],
    [{ template: [] }, "cannot restore struct from: slice"],
    [{ template: { spec: { containers: {} } } }, "cannot restore slice from map"],
    [{ template: { spec: { nodeName: 1 } } }, "cannot convert int64 to string"],
  ];
  const deployment: JsonObject = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "d" }, spec: {} };
  for (const [spec, message] of conversions) {
    const text = refusal(() => patched("strategic-merge", deployment, { spec }, { type: Deployments }));
    t.ok(text.endsWith(`": ${message}`), text);
  }
  const warned = patchObject({
    type: ConfigMaps,
    contentType: "application/merge-patch+json",
    patch: utf8('{"data":{"a":"1","a":"2"},"foo":1}'),
    current,
  });
  t.same(warned.warnings, ['duplicate field "data.a"', 'unknown field "foo"']);
  t.end();
});

t.test("a patch is defaulted and tracked", (t) => {
  const live: JsonObject = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: "w",
      managedFields: [
        {
          manager: "a",
          operation: "Update",
          apiVersion: "apps/v1",
          fieldsType: "FieldsV1",
          fieldsV1: { "f:spec": { "f:replicas": {} } },
          time: "2025-01-01T00:00:00Z",
        },
      ],
    },
    spec: { replicas: 1 },
    status: {},
  };
  const { object } = applyPatch({
    type: Deployments,
    contentType: "application/merge-patch+json",
    patch: utf8({ spec: { replicas: 3 } }),
    current: live,
    name: "w",
    namespace: "default",
    manager: "kubectl-patch",
    now: "2025-01-02T00:00:00Z",
  });
  t.match(object, {
    metadata: { managedFields: [{ manager: "kubectl-patch", time: "2025-01-02T00:00:00Z" }] },
    spec: { replicas: 3, revisionHistoryLimit: 10 },
  });
  t.equal(managerName(undefined, "kubectl/v1.33 (linux)"), "kubectl");
  t.equal(managerName("me", "kubectl/v1.33"), "me");
  t.throws(
    () =>
      applyPatch({
        type: Pods,
        contentType: "application/merge-patch+json",
        patch: utf8("{}"),
        current: undefined,
        name: "p",
        namespace: "d",
        manager: "m",
        now: "",
      }),
    { code: 400 },
  );
  t.end();
});
