import t from "tap";
import { fieldErrorText } from "../../../model/errors.ts";
import type { Draft, KubeObject } from "../../../model/object.ts";
import { BUILT_IN_RESOURCES, NetworkPolicies, type Subresource } from "../../../model/resources.ts";
import { applyDefaults, decodeBody, validateCreate, validateUpdate } from "../../../model/schema/index.ts";

function parse(yaml: string) {
  const kind = /^kind: (\w+)/m.exec(yaml)?.[1];
  const type = [...BUILT_IN_RESOURCES, NetworkPolicies].find((candidate) => candidate.kind === kind);
  if (!type) throw new Error(`no kind in ${yaml}`);
  const { object } = decodeBody(type, new TextEncoder().encode(yaml), { contentType: "application/yaml", fieldValidation: "Strict" });
  const draft = structuredClone(object) as unknown as Draft<KubeObject>;
  applyDefaults(type, draft);
  return { type, object: draft as KubeObject };
}

const created = (yaml: string): string[] => {
  const { type, object } = parse(yaml);
  return validateCreate(type, object).map(fieldErrorText);
};
const updated = (before: string, after: string, subresource?: Subresource): string[] => {
  const { type, object } = parse(after);
  return validateUpdate(type, object, parse(before).object, subresource).map(fieldErrorText);
};

const LABEL_HELP =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_HELP =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS1035_HELP =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const pod = (spec: string, container = ""): string =>
  `kind: Pod\nmetadata: {name: p}\nspec: {${spec} containers: [{name: c, image: i, ${container}}]}`;
const deployment = (spec: string): string => `kind: Deployment\napiVersion: apps/v1\nmetadata: {name: d}\nspec: {${spec}}`;
const TEMPLATE = "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}";
const SELECTOR = "selector: {matchLabels: {a: b}}";
const NEVER = "template: {metadata: {labels: {a: b}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}";
const statefulSet = (spec: string): string => `kind: StatefulSet\napiVersion: apps/v1\nmetadata: {name: s}\nspec: {${spec}}`;
const daemonSet = (spec: string): string => `kind: DaemonSet\napiVersion: apps/v1\nmetadata: {name: s}\nspec: {${spec}}`;
const job = (spec: string): string => `kind: Job\napiVersion: batch/v1\nmetadata: {name: j}\nspec: {${spec}}`;
const cronJob = (spec: string): string => `kind: CronJob\napiVersion: batch/v1\nmetadata: {name: j}\nspec: {${spec}}`;
const ingress = (path: string): string =>
  `kind: Ingress\napiVersion: networking.k8s.io/v1\nmetadata: {name: i}\nspec: {rules: [{http: {paths: [${path}]}}]}`;
const BACKEND = "backend: {service: {name: s, port: {number: 80}}}";

t.test("create", (t) => {
  const rows: [yaml: string, errors: string[]][] = [
    [pod(""), []],
    ["kind: Pod\nspec: {containers: [{name: c, image: i}]}", ["metadata.name: Required value: name or generateName is required"]],
    [
      "kind: Pod\nmetadata: {name: A_b}\nspec: {containers: [{name: c, image: i}]}",
      [`metadata.name: Invalid value: "A_b": ${SUBDOMAIN_HELP}`],
    ],
    ["kind: Namespace\nmetadata: {name: a.b}", [`metadata.name: Invalid value: "a.b": ${LABEL_HELP}`]],
    ["kind: Service\nmetadata: {name: 1a}\nspec: {ports: [{port: 80}]}", [`metadata.name: Invalid value: "1a": ${DNS1035_HELP}`]],
    [
      "kind: ConfigMap\nmetadata: {name: c, labels: {a: '-'}}",
      [
        "metadata.labels: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
      ],
    ],
    ["kind: ConfigMap\nmetadata: {name: c}\ndata: {..a: x}", ["data[..a]: Invalid value: \"..a\": must not start with '..'"]],
    [
      "kind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/service-account-token",
      ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    ],
    ["kind: Pod\nmetadata: {name: p}\nspec: {}", ["spec.containers: Required value"]],
    ["kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c}]}", ["spec.containers[0].image: Required value"]],
    ["kind: Pod\nmetadata: {name: p}\nspec: {containers: [{image: i}]}", ["spec.containers[0].name: Required value"]],
    [
      "kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}, {name: c, image: i}]}",
      ['spec.containers[1].name: Duplicate value: "c"'],
    ],
    [
      pod("restartPolicy: Sometimes,"),
      ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"'],
    ],
    [
      pod("", "imagePullPolicy: X"),
      ['spec.containers[0].imagePullPolicy: Unsupported value: "X": supported values: "Always", "IfNotPresent", "Never"'],
    ],
    [
      pod("", "ports: [{containerPort: 70000}]"),
      ["spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
    ],
    [pod("", "ports: [{}]"), ["spec.containers[0].ports[0].containerPort: Required value"]],
    [
      pod("", "ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]"),
      ['spec.containers[0].ports[1].name: Duplicate value: "a"'],
    ],
    [pod("", "volumeMounts: [{name: v, mountPath: /v}]"), ['spec.containers[0].volumeMounts[0].name: Not found: "v"']],
    [pod("", "readinessProbe: {}"), ["spec.containers[0].readinessProbe: Required value: must specify a handler type"]],
    [
      pod("", "livenessProbe: {tcpSocket: {port: 80}, httpGet: {port: 80}, successThreshold: 2}"),
      [
        "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
      ],
    ],
    [
      pod("", "resources: {requests: {cpu: 2}, limits: {cpu: 1}}"),
      ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
    ],
    [deployment(`${SELECTOR}, ${TEMPLATE}`), []],
    [
      deployment(TEMPLATE),
      [
        "spec.selector: Required value",
        'spec.template.metadata.labels: Invalid value: map[string]string{"a":"b"}: `selector` does not match template `labels`',
      ],
    ],
    [statefulSet(`${SELECTOR}, ${TEMPLATE}`), []],
    [
      statefulSet(`${SELECTOR}, ${TEMPLATE}, podManagementPolicy: Random`),
      ["spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'"],
    ],
    [
      statefulSet(`${SELECTOR}, ${TEMPLATE}, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: -1}}`),
      ["spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0"],
    ],
    [
      statefulSet(`selector: {}, ${TEMPLATE}`),
      [
        "spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string(nil), MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: empty selector is invalid for statefulset",
      ],
    ],
    [daemonSet(`${SELECTOR}, ${TEMPLATE}`), []],
    [
      daemonSet(`${SELECTOR}, ${TEMPLATE}, updateStrategy: {rollingUpdate: {maxSurge: 1}}`),
      ["spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"],
    ],
    [
      daemonSet(`${SELECTOR}, ${TEMPLATE}, updateStrategy: {rollingUpdate: {maxUnavailable: 0}}`),
      ["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
    ],
    [
      daemonSet(`${SELECTOR}, template: {metadata: {labels: {a: b}}, spec: {activeDeadlineSeconds: 1, containers: [{name: c, image: i}]}}`),
      ["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported"],
    ],
    [job(`selector: {matchLabels: {a: b}}, ${NEVER}`), []],
    [
      job(`selector: {matchLabels: {a: b}}, ${TEMPLATE}`),
      ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ],
    [
      job(`selector: {matchLabels: {a: b}}, completionMode: Indexed, parallelism: 1, ${NEVER}`),
      ["spec.completions: Required value: when completion mode is Indexed"],
    ],
    [cronJob(`schedule: "*/5 * * * *", jobTemplate: {spec: {${NEVER}}}`), []],
    [
      cronJob(`schedule: "61 * * * *", timeZone: Nowhere/Land, jobTemplate: {spec: {${NEVER}}}`),
      [
        'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61',
        'spec.timeZone: Invalid value: "Nowhere/Land": unknown time zone Nowhere/Land',
      ],
    ],
    [
      deployment(`selector: {matchLabels: {x: z}}, ${TEMPLATE}`),
      ['spec.template.metadata.labels: Invalid value: map[string]string{"a":"b"}: `selector` does not match template `labels`'],
    ],
    [
      deployment(`${SELECTOR}, template: {metadata: {labels: {a: b}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}`),
      ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
    [
      deployment(`${SELECTOR}, ${TEMPLATE}, strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}`),
      ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
    ],
    [deployment(`${SELECTOR}, ${TEMPLATE}, replicas: -1`), ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]],
    [ingress(`{path: /, pathType: Prefix, ${BACKEND}}`), []],
    [
      ingress(`{path: x, pathType: Prefix, ${BACKEND}}`),
      ['spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path'],
    ],
    [ingress(`{path: /, ${BACKEND}}`), ["spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"]],
    [
      ingress("{path: /, pathType: Exact, backend: {service: {name: s}}}"),
      ["spec.rules[0].http.paths[0].backend: Required value: port name or number is required"],
    ],
    [
      "kind: Ingress\napiVersion: networking.k8s.io/v1\nmetadata: {name: i}\nspec: {}",
      ["spec: Invalid value: []networking.IngressRule(nil): either `defaultBackend` or `rules` must be specified"],
    ],
    [
      "kind: EndpointSlice\napiVersion: discovery.k8s.io/v1\nmetadata: {name: e}\naddressType: IPv4\nendpoints: [{addresses: [x]}, {}]",
      [
        'endpoints[0].addresses[0]: Invalid value: "x": must be a valid IPv4 address',
        "endpoints[1].addresses: Required value: must contain at least 1 address",
      ],
    ],
    ["kind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/tls", ["data[tls.crt]: Required value", "data[tls.key]: Required value"]],
    [
      "kind: Lease\napiVersion: coordination.k8s.io/v1\nmetadata: {name: l}\nspec: {leaseDurationSeconds: 0}",
      ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
    ],
  ];
  for (const [yaml, errors] of rows) t.same(created(yaml), errors, yaml.slice(0, 120));
  t.end();
});

t.test("ephemeral containers", (t) => {
  const debug = (...containers: readonly string[]): string => pod(`ephemeralContainers: [${containers.join(", ")}],`);
  const d = "{name: d, image: i}";
  const rows: readonly (readonly [before: string, after: string, errors: readonly (string | RegExp)[]])[] = [
    [pod(""), debug(d), []],
    [debug(d), debug(d, "{name: e, image: i, targetContainerName: c}"), []],
    [debug(d), pod(""), ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be removed\n']],
    [
      debug(d),
      debug("{name: d, image: j}"),
      ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be changed\n'],
    ],
    [pod(""), debug("{name: c, image: i}"), ['spec.ephemeralContainers[0].name: Duplicate value: "c"']],
    [pod(""), debug("{image: i}"), ["spec.ephemeralContainers[0].name: Required value"]],
    [pod(""), debug("{name: d, image: i, targetContainerName: x}"), ['spec.ephemeralContainers[0].targetContainerName: Not found: "x"']],
    [
      pod(""),
      debug("{name: d, image: i, ports: [{containerPort: 80}]}"),
      ["spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container"],
    ],
  ];
  for (const [before, after, errors] of rows) t.same(updated(before, after, "ephemeralcontainers"), errors, after);
  t.match(updated(pod(""), debug(d)), [/^spec: Forbidden: pod updates may not change fields/], "not by an ordinary update");
  t.end();
});

t.test("update", (t) => {
  t.same(updated(pod(""), pod("").replace("image: i", "image: j")), []);
  const node = (spec: string): string => `kind: Node\nmetadata: {name: worker}\nspec: {${spec}}`;
  const given = node("podCIDR: 127.244.1.0/24, podCIDRs: [127.244.1.0/24], providerID: a");
  t.same(updated(node(""), given), []);
  t.same(updated(given, given.replace("podCIDR: 127.244.1", "podCIDR: 127.244.2").replace("providerID: a", "providerID: b")), [
    'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
    'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
  ]);
  t.match(updated(pod(""), pod("hostname: h,")), [
    /^spec: Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`/,
  ]);
  t.same(updated(pod(""), pod("nodeName: nn,"), "binding"), []);
  t.match(updated(pod(""), pod("nodeName: nn,")), [
    /^spec: Forbidden: pod updates may not change fields other than [^]*\n- nodeName: nil\n\+ nodeName: "nn"\n$/,
  ]);
  t.equal(updated(pod("nodeName: m,"), pod("nodeName: nn,")).length, 1);
  t.same(updated(pod(""), "kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}, {name: d, image: i}]}"), [
    "spec.containers: Forbidden: pod updates may not add or remove containers",
  ]);
  const relabelled = deployment(
    "selector: {matchLabels: {a: c}}, template: {metadata: {labels: {a: c}}, spec: {containers: [{name: c, image: i}]}}",
  );
  t.match(updated(deployment(`${SELECTOR}, ${TEMPLATE}`), relabelled), [
    'spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"a":"c"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable',
  ]);
  const set = statefulSet(`serviceName: a, ${SELECTOR}, ${TEMPLATE}`);
  t.same(updated(set, set.replace("image: i", "image: j")), []);
  t.same(updated(set, set.replace("serviceName: a", "serviceName: b")), [
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
  ]);
  const work = job(`${SELECTOR}, ${NEVER}`);
  t.same(updated(work, work.replace("image: i", "image: j")), [
    "spec.template: Invalid value: core.PodTemplateSpec{…}: field is immutable",
  ]);
  const fixed = "kind: ConfigMap\nmetadata: {name: c}\nimmutable: true\ndata: {a: b}";
  t.same(updated(fixed, fixed.replace("a: b", "a: c")), ["data: Forbidden: field is immutable when `immutable` is set"]);
  t.end();
});
