// What users get wrong in pods, one row each: the messages are those of upstream's ValidatePodSpec.
import t, { type Test } from "tap";
import { fieldErrorText } from "../../../model/errors.ts";
import type { Pod } from "../../../model/kinds/core-v1.ts";
import type { Draft } from "../../../model/object.ts";
import { Pods } from "../../../model/resources.ts";
import { applyDefaults, decodeBody, validateCreate, validateUpdate } from "../../../model/schema/index.ts";

const CONTAINER = "containers: [{name: c, image: i}]";

function pod(spec: string): Pod {
  const yaml = `kind: Pod\napiVersion: v1\nmetadata: {name: p}\nspec: {${spec}}`;
  const { object } = decodeBody(Pods, new TextEncoder().encode(yaml), { contentType: "application/yaml", fieldValidation: "Strict" });
  const made = structuredClone(object) as unknown as Draft<Pod>;
  applyDefaults(Pods, made);
  return made as Pod;
}

const refusals = (spec: string): string[] => validateCreate(Pods, pod(spec)).map(fieldErrorText);
const check = (t: Test, rows: readonly (readonly [spec: string, ...errors: string[]])[]): void => {
  for (const [spec, ...errors] of rows) t.same(refusals(spec), errors, spec);
  t.end();
};

const QUALIFIED =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const IP_HELP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const node = (term: string): string => `${CONTAINER}, affinity: {nodeAffinity: {${term}}}`;
const REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution";
const IN_TERM = `spec.affinity.nodeAffinity.${REQUIRED}.nodeSelectorTerms[0].matchExpressions[0]`;
const expression = (text: string): string => node(`${REQUIRED}: {nodeSelectorTerms: [{matchExpressions: [${text}]}]}`);

t.test("tolerations", (t) =>
  check(t, [
    [`${CONTAINER}, tolerations: [{operator: Exists}, {key: a, value: b, effect: NoSchedule}]`],
    [`${CONTAINER}, tolerations: [{key: "a b", operator: Exists}]`, `spec.tolerations[0].key: Invalid value: "a b": ${QUALIFIED}`],
    [
      `${CONTAINER}, tolerations: [{effect: NoSchedule}]`,
      'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ],
    [
      `${CONTAINER}, tolerations: [{key: a, operator: Exists, effect: NoSchedule, tolerationSeconds: 3}]`,
      "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` is set",
    ],
    [
      `${CONTAINER}, tolerations: [{key: a, operator: Exists, value: b}]`,
      'spec.tolerations[0].operator: Invalid value: core.Toleration{Key:"a", Operator:"Exists", Value:"b", Effect:"", TolerationSeconds:(*int64)(nil)}: value must be empty when `operator` is \'Exists\'',
    ],
    [
      `${CONTAINER}, tolerations: [{key: a, operator: Like, effect: Nope}]`,
      'spec.tolerations[0].operator: Unsupported value: "Like": supported values: "Equal", "Exists"',
      'spec.tolerations[0].effect: Unsupported value: "Nope": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    ],
  ]),
);

t.test("node selectors, affinity and topology spread", (t) =>
  check(t, [
    [`${CONTAINER}, nodeSelector: {"a b": c}`, `spec.nodeSelector: Invalid value: "a b": ${QUALIFIED}`],
    [
      node(`${REQUIRED}: {nodeSelectorTerms: []}`),
      `spec.affinity.nodeAffinity.${REQUIRED}.nodeSelectorTerms: Required value: must have at least one node selector term`,
    ],
    [expression("{key: a, operator: In, values: [b]}, {key: a, operator: Exists}")],
    [expression("{key: a, operator: In}"), `${IN_TERM}.values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`],
    [
      expression("{key: a, operator: Exists, values: [b]}"),
      `${IN_TERM}.values: Forbidden: may not be specified when \`operator\` is 'Exists' or 'DoesNotExist'`,
    ],
    [
      expression("{key: a, operator: Gt}"),
      `${IN_TERM}.values: Required value: must be specified single value when \`operator\` is 'Lt' or 'Gt'`,
    ],
    [expression("{key: a, operator: Is}"), `${IN_TERM}.operator: Invalid value: "Is": not a valid selector operator`],
    [
      node(`${PREFERRED}: [{weight: 0, preference: {}}]`),
      `spec.affinity.nodeAffinity.${PREFERRED}[0].weight: Invalid value: 0: must be in the range 1-100`,
    ],
    [
      `${CONTAINER}, affinity: {podAntiAffinity: {${REQUIRED}: [{labelSelector: {}}]}}`,
      `spec.affinity.podAntiAffinity.${REQUIRED}[0].topologyKey: Required value: can not be empty`,
      `spec.affinity.podAntiAffinity.${REQUIRED}[0].topologyKey: Invalid value: "": name part must be non-empty`,
      `spec.affinity.podAntiAffinity.${REQUIRED}[0].topologyKey: Invalid value: "": ${QUALIFIED}`,
    ],
    [
      `${CONTAINER}, affinity: {podAffinity: {${PREFERRED}: [{weight: 101, podAffinityTerm: {topologyKey: zone}}]}}`,
      `spec.affinity.podAffinity.${PREFERRED}[0].weight: Invalid value: 101: must be in the range 1-100`,
    ],
    [
      `${CONTAINER}, topologySpreadConstraints: [{maxSkew: 0, whenUnsatisfiable: Never}]`,
      "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
      "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
      'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Never": supported values: "DoNotSchedule", "ScheduleAnyway"',
    ],
    [
      `${CONTAINER}, topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: ScheduleAnyway}, {maxSkew: 2, minDomains: 2, topologyKey: z, whenUnsatisfiable: ScheduleAnyway}]`,
      'spec.topologySpreadConstraints[1].{topologyKey, whenUnsatisfiable}: Duplicate value: "{z, ScheduleAnyway}"',
      "spec.topologySpreadConstraints[1].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
    ],
  ]),
);

t.test("containers and their resources", (t) =>
  check(t, [
    [`containers: [{name: c, image: i, resources: {limits: {cpu: 1, example.com/gpu: 1}}}]`],
    [
      `containers: [{name: c, image: i, resources: {limits: {cpus: 1}}}]`,
      'spec.containers[0].resources.limits[cpus]: Invalid value: "cpus": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.limits[cpus]: Invalid value: "cpus": must be a standard resource for containers',
      'spec.containers[0].resources.requests[cpus]: Invalid value: "cpus": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.requests[cpus]: Invalid value: "cpus": must be a standard resource for containers',
    ],
    [
      `containers: [{name: c, image: i, resources: {requests: {example.com/gpu: 1}}}]`,
      "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
    ],
    [
      `containers: [{name: c, image: i, resources: {requests: {example.com/gpu: 1}, limits: {example.com/gpu: 2}}}]`,
      'spec.containers[0].resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2',
    ],
    [
      `${CONTAINER}, initContainers: [{name: a, image: i, readinessProbe: {tcpSocket: {port: 1}}}, {name: b, image: i, restartPolicy: Always, readinessProbe: {tcpSocket: {port: 1}}}]`,
      "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
    ],
    [
      `${CONTAINER}, initContainers: [{name: a, image: i, restartPolicy: Never}]`,
      'spec.initContainers[0].restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
    [
      `containers: [{name: c, image: i, restartPolicy: Always}]`,
      "spec.containers[0].restartPolicy: Forbidden: may not be set for non-init containers",
    ],
    [
      `containers: [{name: c, image: i, ports: [{containerPort: 1, hostPort: 80}, {containerPort: 2, hostPort: 80}]}]`,
      'spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"',
    ],
    [
      `containers: [{name: c, image: i, securityContext: {runAsUser: -1}}]`,
      "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
    ],
  ]),
);

t.test("volumes", (t) =>
  check(t, [
    [
      `${CONTAINER}, volumes: [{name: v, hostPath: {path: /a/../b, type: Folder}}]`,
      "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
      'spec.volumes[0].hostPath.type: Unsupported value: "Folder": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
    ],
    [
      `${CONTAINER}, volumes: [{name: v, configMap: {name: c, defaultMode: 666, items: [{path: /a}]}}]`,
      "spec.volumes[0].configMap.defaultMode: Invalid value: 666: must be a number between 0 and 0777 (octal), both inclusive",
      "spec.volumes[0].configMap.items[0].key: Required value",
      'spec.volumes[0].configMap.items[0].path: Invalid value: "/a": must be a relative path',
    ],
    [
      `${CONTAINER}, volumes: [{name: v, secret: {secretName: s, items: [{key: k, path: ..a}]}}]`,
      "spec.volumes[0].secret.items[0].path: Invalid value: \"..a\": must not start with '..'",
    ],
    [
      `${CONTAINER}, volumes: [{name: v, emptyDir: {sizeLimit: -1}}]`,
      "spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity",
    ],
  ]),
);

t.test("DNS and hosts", (t) =>
  check(t, [
    [`${CONTAINER}, dnsConfig: {nameservers: [127.96.0.10], searches: [a.b., _tcp.c, .]}`],
    [
      `${CONTAINER}, dnsConfig: {nameservers: [a, 1.1.1.1, 1.1.1.2, 1.1.1.3], options: [{value: x}]}`,
      'spec.dnsConfig.nameservers: Invalid value: []string{"a", "1.1.1.1", "1.1.1.2", "1.1.1.3"}: must not have more than 3 nameservers',
      `spec.dnsConfig.nameservers[0]: Invalid value: "a": ${IP_HELP}`,
      "spec.dnsConfig.options[0]: Required value: must not be empty",
    ],
    [`${CONTAINER}, hostAliases: [{ip: a.b, hostnames: [c]}]`, `spec.hostAliases[0].ip: Invalid value: "a.b": ${IP_HELP}`],
  ]),
);

t.test("a toleration that is there may only change how long it lasts", (t) => {
  const tolerating = (text: string): Pod => pod(`${CONTAINER}, tolerations: [${text}]`);
  const before = tolerating("{key: a, operator: Exists, effect: NoExecute}");
  const after = (text: string): string[] => validateUpdate(Pods, tolerating(text), before).map(fieldErrorText);
  t.same(after("{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: 5}, {key: b, operator: Exists}"), []);
  t.same(after("{key: a, operator: Exists, effect: NoExecute}, {key: b, operator: Like}"), [
    'spec.tolerations[1].operator: Unsupported value: "Like": supported values: "Equal", "Exists"',
  ]);
  t.same(after("{key: b, operator: Exists}"), [
    "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
  ]);
  t.end();
});
