import fc from "fast-check";
import t from "tap";
import { StatusError } from "../../../model/errors.ts";
import { ConfigMaps, Deployments, type ResourceType, Secrets, Services } from "../../../model/resources.ts";
import { type DecodeOptions, canonicalQuantity, decodeBody, parseJson, parseYaml } from "../../../model/schema/index.ts";

const decode = (type: ResourceType, text: string, options: DecodeOptions = {}) => decodeBody(type, new TextEncoder().encode(text), options);

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof StatusError) return `${error.code} ${error.message}`;
    throw error;
  }
  return "accepted";
}

const IN_V1 = 'Deployment in version "v1" cannot be handled as a Deployment: ';

t.test("values of the wrong type, in encoding/json's words", (t) => {
  const rows: [spec: string, message: string][] = [
    ['{"replicas":"x"}', "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"],
    ['{"replicas":1.5}', "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"],
    ['{"paused":"yes"}', "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool"],
    ['{"template":[]}', "json: cannot unmarshal array into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec"],
    [
      '{"template":{"spec":{"containers":{}}}}',
      "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
    ],
    [
      '{"template":{"spec":{"containers":[{"env":[{"value":1}]}]}}}',
      "json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string",
    ],
    [
      '{"template":{"metadata":{"labels":{"a":true}}}}',
      "json: cannot unmarshal bool into Go struct field ObjectMeta.spec.template.metadata.labels of type string",
    ],
    [
      '{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"lots"}}}]}}}',
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
  ];
  for (const [spec, message] of rows)
    t.equal(
      refusal(() => decode(Deployments, `{"spec":${spec}}`)),
      `400 ${IN_V1}${message}`,
    );
  t.equal(
    refusal(() => decode(Secrets, '{"data":{"a":"@@@@"}}')),
    '400 Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0',
  );
  t.end();
});

t.test("bodies that are no object of the kind", (t) => {
  const must = "400 the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: ";
  const rows: [body: string, message: string][] = [
    ["", `${must}unexpected end of JSON input (<empty>)`],
    ["{", `${must}unexpected end of JSON input ({)`],
    ['{"a":}', `${must}invalid character '}' looking for beginning of value ({"a":})`],
    ['{"a":1,}', `${must}invalid character '}' looking for beginning of object key string ({"a":1,})`],
    ['{"a" 1}', `${must}invalid character '1' after object key ({"a" 1})`],
    ["{} x", `${must}invalid character 'x' after top-level value ({} x)`],
    [
      '{"kind":"Pod"}',
      '400 Pod in version "v1" cannot be handled as a ConfigMap: no kind "Pod" is registered for version "v1" in this server',
    ],
    ['{"apiVersion":"v2"}', "400 the API version in the data (v2) does not match the expected API version (v1)"],
  ];
  for (const [body, message] of rows)
    t.equal(
      refusal(() => decode(ConfigMaps, body)),
      message,
    );
  t.match(
    refusal(() => decode(ConfigMaps, "x", { contentType: "text/plain" })),
    /^415 the body of the request was in an unknown format - accepted media types include: application\/json, application\/yaml/,
  );
  t.end();
});

t.test("unknown and duplicate fields by fieldValidation", (t) => {
  const body = '{"spec":{"foo":1,"replicas":1,"replicas":2,"template":{"spec":{"containers":[{"name":"a","bar":1,"name":"b"}]}}}}';
  const problems = [
    'duplicate field "spec.replicas"',
    'duplicate field "spec.template.spec.containers[0].name"',
    'unknown field "spec.foo"',
    'unknown field "spec.template.spec.containers[0].bar"',
  ];
  t.equal(
    refusal(() => decode(Deployments, body, { fieldValidation: "Strict" })),
    `400 ${IN_V1}strict decoding error: ${problems.join(", ")}`,
  );
  const warned = decode(Deployments, body);
  t.same(warned.warnings, problems);
  t.match(warned.object, { spec: { replicas: 2, template: { spec: { containers: [{ name: "b" }] } } } });
  t.notOk("foo" in (warned.object["spec"] as object));
  t.same(decode(Deployments, body, { fieldValidation: "Ignore" }).warnings, []);
  t.end();
});

t.test("nulls and Go's zero values are dropped, pointers kept", (t) => {
  const { object } = decode(
    Deployments,
    '{"metadata":{"name":"w","creationTimestamp":null,"labels":{}},"spec":{"replicas":0,"paused":false,"minReadySeconds":0,"strategy":{},"template":{"spec":{"nodeName":"","containers":[{"name":"","args":[],"securityContext":{},"resources":{"limits":{"cpu":0.5,"memory":"1024Mi"}}}]}}}}',
  );
  t.strictSame(object, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "w" },
    spec: {
      replicas: 0,
      strategy: {},
      template: { spec: { containers: [{ name: "", securityContext: {}, resources: { limits: { cpu: "500m", memory: "1Gi" } } }] } },
    },
  });
  t.end();
});

t.test("YAML 1.1 as Kubernetes reads it", (t) => {
  const rows: [yaml: string, value: unknown][] = [
    ["a: yes", { a: true }],
    ["a: off", { a: false }],
    ["y: n", { true: false }],
    ["a: 0644", { a: 420 }],
    ["a: 2024-01-01", { a: "2024-01-01" }],
    ["a: 12:30", { a: "12:30" }],
    ["a: [., .5, 1., 1.5, -.5, .., 1_000.5]", { a: [".", 0.5, 1, 1.5, -0.5, "..", 1000.5] }],
    ["a: ~", { a: null }],
    ["80: x", { "80": "x" }],
    ["x: &x {a: 1}\nz: {<<: *x, b: 2}", { x: { a: 1 }, z: { a: 1, b: 2 } }],
    ["", null],
  ];
  for (const [yaml, value] of rows) t.same(parseYaml(yaml).value, value, yaml);
  t.same(parseYaml("spec:\n  a: 1\n  l: [{b: 1, b: 2}]\n  a: 2\n").duplicates, ["spec.l[0].b", "spec.a"]);
  t.match(
    refusal(() => parseYaml("a: [1\nb: 2")),
    /^400 yaml: line \d+: /,
  );
  t.match(
    refusal(() => parseYaml("a: *nothing")),
    /^400 yaml: /,
  );
  t.match(
    refusal(() => parseYaml("[".repeat(100_000))),
    /^400 yaml: /,
  );
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${[..."bcdefghi"].map((key, i) => `${key}: &${key} [${Array(9).fill(`*${"abcdefgh"[i]}`).join(",")}]`).join("\n")}`;
  t.match(
    refusal(() => parseYaml(bomb)),
    /^400 yaml: /,
  );
  const service = decode(Services, "spec:\n  ports:\n  - port: 80\n    targetPort: http\n", { contentType: "application/yaml" });
  t.match(service.object, { spec: { ports: [{ port: 80, targetPort: "http" }] } });
  t.end();
});

t.test("the JSON scan agrees with JSON.parse on any text", (t) => {
  const noisy = fc.oneof(
    fc.json(),
    fc.string({ maxLength: 20 }),
    fc
      .tuple(fc.json(), fc.nat(40), fc.constantFrom(",", '"', "}", "]", "\\", "1", "e", "\n"))
      .map(([json, at, noise]) => json.slice(0, at) + noise + json.slice(at)),
  );
  fc.assert(
    fc.property(noisy, (text) => {
      let expected: boolean;
      try {
        JSON.parse(text);
        expected = true;
      } catch {
        expected = false;
      }
      return (refusal(() => parseJson(text)) === "accepted") === expected;
    }),
    { numRuns: 500, seed: 7 },
  );
  t.end();
});

t.test("hostile names are data", (t) => {
  const { object } = decode(ConfigMaps, '{"data":{"__proto__":"x","constructor":"y"}}');
  t.equal(JSON.stringify(object["data"]), '{"__proto__":"x","constructor":"y"}');
  t.match(
    refusal(() => decode(ConfigMaps, `${'{"data":'.repeat(20_000)}1${"}".repeat(20_000)}`)),
    /^400 .*exceeded max depth/,
  );
  t.end();
});

t.test("quantities in canonical form", (t) => {
  const rows: [text: string, canonical: string][] = [
    ["0.5", "500m"],
    ["1000m", "1"],
    ["1024Mi", "1Gi"],
    ["1.5Gi", "1536Mi"],
    ["100", "100"],
    ["1000", "1k"],
    ["512Ki", "512Ki"],
    ["1e3", "1e3"],
    ["0", "0"],
    ["0Mi", "0"],
    ["-1500m", "-1500m"],
    ["1.0", "1"],
  ];
  for (const [text, canonical] of rows) {
    t.equal(canonicalQuantity(text), canonical, text);
    t.equal(canonicalQuantity(canonical), canonical);
  }
  t.end();
});
