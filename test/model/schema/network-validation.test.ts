// Objects of the network, refused word for word. k8s pkg/apis/networking/validation, pkg/apis/discovery/validation, pkg/apis/core/validation.
import t from "tap";
import { fieldErrorText } from "../../../model/errors.ts";
import type { Ingress } from "../../../model/kinds/networking-v1.ts";
import type { Draft, KubeObject } from "../../../model/object.ts";
import {
  BUILT_IN_RESOURCES,
  EndpointSlices,
  EndpointsResource,
  IngressClasses,
  Ingresses,
  NetworkPolicies,
} from "../../../model/resources.ts";
import { applyDefaults, decodeBody, validateCreate, validateUpdate } from "../../../model/schema/index.ts";

const KINDS = [...BUILT_IN_RESOURCES, NetworkPolicies, EndpointSlices, EndpointsResource, IngressClasses, Ingresses];

function errorsOf(kind: string, yaml: string, annotations = "{}"): readonly string[] {
  const type = KINDS.find((candidate) => candidate.kind === kind);
  if (!type) throw new Error(`no kind ${kind}`);
  const apiVersion = type.group === "" ? type.version : `${type.group}/${type.version}`;
  const text = `{apiVersion: ${apiVersion}, kind: ${kind}, metadata: {name: x, namespace: default, annotations: ${annotations}}, ${yaml}}`;
  const { object } = decodeBody(type, new TextEncoder().encode(text), { contentType: "application/yaml", fieldValidation: "Strict" });
  const draft = structuredClone(object) as unknown as Draft<KubeObject>;
  applyDefaults(type, draft);
  return validateCreate(type, draft as KubeObject).map(fieldErrorText);
}

const CIDR_HELP = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
const PORT_HELP = "must be between 1 and 65535, inclusive";
const policy = (spec: string): string => `spec: {podSelector: {}, ${spec}}`;
const from = (peer: string): string => policy(`ingress: [{from: [${peer}]}]`);
const ports = (port: string): string => policy(`egress: [{ports: [${port}]}]`);
const slice = (endpoint: string, rest = "addressType: IPv4, ports: []"): string => `endpoints: [${endpoint}], ${rest}`;
const many = (count: number, item: (i: number) => string): string => Array.from({ length: count }, (_, i) => item(i)).join(", ");

const ROWS: readonly (readonly [kind: string, yaml: string, ...expected: readonly string[]])[] = [
  ["NetworkPolicy", policy("ingress: [{from: [{podSelector: {}, namespaceSelector: {}}]}], policyTypes: [Ingress, Egress]")],
  ["NetworkPolicy", from("{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.3.4/32]}}")],
  ["NetworkPolicy", from("{ipBlock: {cidr: 2001:db8::/32, except: ['2001:db8:1::/48']}}")],
  ["NetworkPolicy", from("{}"), "spec.ingress[0].from[0]: Required value: must specify a peer"],
  [
    "NetworkPolicy",
    from("{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}"),
    "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer",
  ],
  ["NetworkPolicy", from("{ipBlock: {cidr: ''}}"), "spec.ingress[0].from[0].ipBlock.cidr: Required value"],
  ["NetworkPolicy", from("{ipBlock: {cidr: 10.0.0.0}}"), `spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.0": ${CIDR_HELP}`],
  [
    "NetworkPolicy",
    from("{ipBlock: {cidr: 10.0.0.0/8, except: [nonsense]}}"),
    `spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "nonsense": ${CIDR_HELP}`,
  ],
  [
    "NetworkPolicy",
    from("{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}"),
    'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
  ],
  [
    "NetworkPolicy",
    from("{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}"),
    'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
  ],
  [
    "NetworkPolicy",
    from("{ipBlock: {cidr: 10.0.0.0/8, except: ['fd00::/64']}}"),
    'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "fd00::/64": must be a strict subset of `cidr`',
  ],
  ["NetworkPolicy", ports("{port: 80, endPort: 90}")],
  ["NetworkPolicy", ports("{port: 80, endPort: 80}")],
  [
    "NetworkPolicy",
    ports("{protocol: ICMP}"),
    'spec.egress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
  ],
  ["NetworkPolicy", ports("{port: 0}"), `spec.egress[0].ports[0].port: Invalid value: 0: ${PORT_HELP}`],
  [
    "NetworkPolicy",
    ports("{port: '!'}"),
    'spec.egress[0].ports[0].port: Invalid value: "!": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
    'spec.egress[0].ports[0].port: Invalid value: "!": must contain at least one letter (a-z)',
  ],
  [
    "NetworkPolicy",
    ports("{port: 90, endPort: 80}"),
    "spec.egress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`",
  ],
  ["NetworkPolicy", ports("{port: 90, endPort: 65536}"), `spec.egress[0].ports[0].endPort: Invalid value: 65536: ${PORT_HELP}`],
  [
    "NetworkPolicy",
    ports("{port: http, endPort: 80}"),
    "spec.egress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is non-numeric",
  ],
  [
    "NetworkPolicy",
    ports("{endPort: 80}"),
    "spec.egress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is not specified",
  ],
  ["NetworkPolicy", policy("policyTypes: [Both]"), 'spec.policyTypes[0]: Unsupported value: "Both": supported values: "Ingress", "Egress"'],
  [
    "NetworkPolicy",
    policy("policyTypes: [Ingress, Egress, Ingress]"),
    'spec.policyTypes: Invalid value: []networking.PolicyType{"Ingress", "Egress", "Ingress"}: may not specify more than two policyTypes',
  ],

  ["EndpointSlice", slice("{addresses: [10.1.2.3], hints: {forZones: [{name: a}], forNodes: [{name: node}]}, nodeName: node}")],
  ["EndpointSlice", slice("{addresses: []}"), "endpoints[0].addresses: Required value: must contain at least 1 address"],
  [
    "EndpointSlice",
    slice(`{addresses: [${many(101, (i) => `10.0.0.${i}`)}]}`),
    "endpoints[0].addresses: Too many: 101: must have at most 100 items",
  ],
  ["EndpointSlice", slice(many(1001, () => "{addresses: [10.0.0.1]}")), "endpoints: Too many: 1001: must have at most 1000 items"],
  ["EndpointSlice", slice("{addresses: ['fd00::1']}"), 'endpoints[0].addresses[0]: Invalid value: "fd00::1": must be a valid IPv4 address'],
  [
    "EndpointSlice",
    slice("{addresses: [10.0.0.1]}", "addressType: IPv6, ports: []"),
    'endpoints[0].addresses[0]: Invalid value: "10.0.0.1": must be a valid IPv6 address',
  ],
  ["EndpointSlice", slice("{addresses: [example.com.]}", "addressType: FQDN, ports: []")],
  [
    "EndpointSlice",
    slice("{addresses: [example]}", "addressType: FQDN, ports: []"),
    'endpoints[0].addresses[0]: Invalid value: "example": should be a domain with at least two segments separated by dots',
  ],
  [
    "EndpointSlice",
    slice("", "addressType: IP, ports: []"),
    'addressType: Unsupported value: "IP": supported values: "FQDN", "IPv4", "IPv6"',
  ],
  [
    "EndpointSlice",
    slice("{addresses: [10.1.2.3], hints: {forZones: [{name: a}, {name: a}]}}"),
    'endpoints[0].hints.forZones[1].name: Duplicate value: "a"',
  ],
  [
    "EndpointSlice",
    slice(`{addresses: [10.1.2.3], hints: {forZones: [${many(9, (i) => `{name: z${i}}`)}]}}`),
    "endpoints[0].hints.forZones: Too many: 9: must have at most 8 items",
  ],
  ["EndpointSlice", slice("", "addressType: IPv4, ports: [{name: a, port: 1}, {name: a, port: 2}]"), 'ports[1].name: Duplicate value: "a"'],
  ["EndpointSlice", slice("", "addressType: IPv4, ports: [{port: 1}, {port: 2}]"), 'ports[1].name: Duplicate value: ""'],
  [
    "EndpointSlice",
    slice("", "addressType: IPv4, ports: [{port: 1, protocol: ICMP}]"),
    'ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
  ],

  ["Endpoints", "subsets: [{addresses: [{ip: 10.0.0.1, nodeName: node}], ports: [{port: 80}]}]"],
  ["Endpoints", "subsets: [{ports: [{port: 80}]}]", "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"],
  [
    "Endpoints",
    "subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 80}, {port: 81}]}]",
    "subsets[0].ports[0].name: Required value",
    "subsets[0].ports[1].name: Required value",
  ],
  [
    "Endpoints",
    "subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 66000}]}]",
    `subsets[0].ports[0].port: Invalid value: 66000: ${PORT_HELP}`,
  ],

  ["IngressClass", "spec: {controller: a.example/b}"],
  ["IngressClass", "spec: {}", "spec.controller: Required value"],
  [
    "IngressClass",
    "spec: {controller: ab}",
    'spec.controller: Invalid value: "ab": must be a domain-prefixed path (such as "acme.io/foo")',
  ],
  [
    "IngressClass",
    "spec: {controller: a.example/b, parameters: {kind: K, name: params, scope: Namespace}}",
    "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
  ],
  [
    "IngressClass",
    "spec: {controller: a.example/b, parameters: {kind: K, name: params, namespace: x}}",
    "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
  ],
  [
    "IngressClass",
    "spec: {controller: a.example/b, parameters: {kind: K, name: params, scope: Odd}}",
    'spec.parameters.scope: Unsupported value: "Odd": supported values: "Cluster", "Namespace"',
  ],
];

for (const [kind, yaml, ...expected] of ROWS) t.strictSame(errorsOf(kind, yaml), expected, `${kind} ${yaml.slice(0, 120)}`);

t.test("an Ingress whose two classes disagree", async (t) => {
  const yaml = "spec: {ingressClassName: a, defaultBackend: {service: {name: s, port: {number: 80}}}}";
  t.strictSame(errorsOf("Ingress", yaml, "{kubernetes.io/ingress.class: a}"), []);
  t.strictSame(errorsOf("Ingress", yaml, "{kubernetes.io/ingress.class: b}"), [
    'annotations.kubernetes.io/ingress.class: Invalid value: "b": must match `ingressClassName` when both are specified',
  ]);
});

t.test("what an Ingress's status may announce", async (t) => {
  const ingress = (announced: object): Ingress => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name: "x", namespace: "default" },
    spec: { defaultBackend: { service: { name: "s", port: { number: 80 } } } },
    status: { loadBalancer: { ingress: [announced] } },
  });
  const errors = (announced: object): readonly string[] =>
    validateUpdate(Ingresses, ingress(announced), ingress({}), "status").map(fieldErrorText);
  const field = "status.loadBalancer.ingress[0]";
  t.strictSame(errors({ ip: "127.18.255.1" }), []);
  t.strictSame(errors({ hostname: "lb.example" }), []);
  t.strictSame(errors({ ip: "1.2" }), [`${field}.ip: Invalid value: "1.2": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`]);
  t.strictSame(errors({ hostname: "1.2.3.4" }), [`${field}.hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address`]);
});
